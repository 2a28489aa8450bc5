//! The authority's own certificate: its renewal, and what goes with it when the CAs change.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::act::{Act, now_ms};
use crate::audit::Action;
use crate::ca::{Cas, Validity};
use crate::cluster::{Authority, OWN_CERTIFICATE};
use crate::failure::{Failure, chain};
use crate::registry::Registry;
use crate::signers::Signers;
use crate::tls::server_config;

/// How often the clock is looked at: a machine may sleep, and clocks jump.
const LOOK: Duration = Duration::from_secs(60);
/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// What TLS serves with now, and when it ends.
pub(super) struct Identity {
    config: watch::Sender<Arc<ServerConfig>>,
    not_after: watch::Sender<u64>,
    own: Own,
}

/// A certificate, its key, and the CAs that it is shown with.
struct Own {
    certificate: CertificateDer<'static>,
    /// PKCS #8, DER.
    key: Zeroizing<Vec<u8>>,
    not_before: u64,
    not_after: u64,
    /// Number of the CA that signed it.
    ca: u32,
    cas: Cas,
}

impl Identity {
    /// Issues the first one.
    pub(super) async fn issue(
        registry: &Registry,
        signers: &Signers,
        authority_id: &str,
    ) -> Result<Self, Failure> {
        let own = Own::issue(registry, signers, authority_id).await?;
        Ok(Self {
            config: watch::Sender::new(own.config()?),
            not_after: watch::Sender::new(own.not_after),
            own,
        })
    }

    pub(super) fn config(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.config.subscribe()
    }

    pub(super) fn not_after(&self) -> watch::Receiver<u64> {
        self.not_after.subscribe()
    }

    /// Renews it when two thirds of its life are over, when it has not begun after all because the clock was ahead, and when another CA
    /// signs; trusts whom the store says, for as long as this runs. Connections that are open keep what they began with.
    pub(super) async fn keep(mut self, authority: &Authority) {
        let mut views = authority.bulletin.subscribe();
        let mut wait = LOOK;
        loop {
            match timeout(wait, views.changed()).await {
                Ok(Ok(())) | Err(_) => {}
                // The mirror is gone, and so is this authority.
                Ok(Err(_)) => return,
            }
            wait = match self.follow(authority).await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::error!(error = %chain(&error), "cannot renew the authority's own certificate, or what it trusts");
                    RETRY
                }
            };
        }
    }

    async fn follow(&mut self, authority: &Authority) -> Result<(), Failure> {
        let news = authority.bulletin.latest()?;
        // Trust first, which needs nobody: whoever comes with a certificate of the next CA is let in.
        if self.own.cas != news.cas {
            self.own.cas = news.cas.clone();
            self.config.send_replace(self.own.config()?);
        }
        let own = &self.own;
        if own.ca == own.cas.active.number
            && !is_due(now_ms() / 1000, own.not_before, own.not_after)
        {
            return Ok(());
        }
        let id = &authority.config.authority_id;
        self.own = Own::issue(&authority.registry, &authority.signers, id).await?;
        self.config.send_replace(self.own.config()?);
        self.not_after.send_replace(self.own.not_after);
        Ok(())
    }
}

fn is_due(now: u64, not_before: u64, not_after: u64) -> bool {
    now < not_before || now.saturating_add(OWN_CERTIFICATE.as_secs() / 3) >= not_after
}

impl Own {
    async fn issue(
        registry: &Registry,
        signers: &Signers,
        authority_id: &str,
    ) -> Result<Self, Failure> {
        let signer = registry.signer(signers).await?;
        let act = Act::new(String::new(), format!("authority/{authority_id}"));
        let validity = Validity::new(act.now(), OWN_CERTIFICATE);
        let (issued, key) = signer.ca.issue_authority(authority_id, validity)?;
        let event = act
            .event(Action::AuthorityCertificateIssued, act.actor.as_str())
            .field("certificate", issued.serial)
            .field("ca", signer.ca.number().to_string());
        registry.audit().append(event).await?;
        Ok(Self {
            certificate: issued.certificate,
            key,
            not_before: validity.not_before(),
            not_after: issued.not_after,
            ca: signer.ca.number(),
            cas: signer.cas,
        })
    }

    fn config(&self) -> Result<Arc<ServerConfig>, Failure> {
        let mut shown = vec![self.certificate.clone()];
        shown.extend(self.cas.chain());
        let config = server_config(shown, &self.key, &self.cas.roots())?;
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_due_after_two_thirds() {
        let end = OWN_CERTIFICATE.as_secs();
        assert!(!is_due(end * 2 / 3 - 1, 0, end));
        assert!(is_due(end * 2 / 3 + 1, 0, end));
        assert!(is_due(u64::MAX, 0, end));
    }

    #[test]
    fn is_due_when_the_clock_was_ahead() {
        let begin = 2 * OWN_CERTIFICATE.as_secs();
        let end = begin + OWN_CERTIFICATE.as_secs();
        assert!(!is_due(begin, begin, end));
        assert!(is_due(begin - 1, begin, end));
        assert!(is_due(0, begin, end));
    }
}
