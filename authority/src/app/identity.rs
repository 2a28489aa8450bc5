//! The authority's own certificate, and its renewal.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::sleep;

use super::StartError;
use crate::act::{Act, now_ms};
use crate::audit::{Action, Audit};
use crate::ca::{Ca, Validity};
use crate::tls::server_config;

/// A week: it lives in memory alone, so every start makes a new one anyway.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often the clock is looked at: a machine may sleep, and clocks jump.
const LOOK: Duration = Duration::from_secs(60);

/// What TLS serves with now, and when it ends.
pub(super) struct Identity {
    config: watch::Sender<Arc<ServerConfig>>,
    not_before: u64,
    not_after: watch::Sender<u64>,
}

impl Identity {
    /// Issues the first one.
    pub(super) async fn issue(
        ca: &Ca,
        authority_id: &str,
        audit: &Audit,
    ) -> Result<Self, StartError> {
        let made = issue(ca, authority_id, audit).await?;
        Ok(Self {
            config: watch::Sender::new(made.config),
            not_before: made.not_before,
            not_after: watch::Sender::new(made.not_after),
        })
    }

    pub(super) fn config(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.config.subscribe()
    }

    pub(super) fn not_after(&self) -> watch::Receiver<u64> {
        self.not_after.subscribe()
    }

    /// Renews it when two thirds of its life are over, or when it has not begun after all because the clock was ahead, for as long as this runs. Connections that are open keep the one they
    /// began with.
    pub(super) async fn keep(mut self, ca: &Ca, authority_id: &str, audit: &Audit) {
        loop {
            sleep(LOOK).await;
            if !is_due(now_ms() / 1000, self.not_before, *self.not_after.borrow()) {
                continue;
            }
            match issue(ca, authority_id, audit).await {
                Ok(made) => {
                    self.config.send_replace(made.config);
                    self.not_before = made.not_before;
                    self.not_after.send_replace(made.not_after);
                }
                Err(error) => {
                    tracing::error!(error = %crate::failure::chain(&error), "cannot renew the authority's own certificate");
                }
            }
        }
    }
}

fn is_due(now: u64, not_before: u64, not_after: u64) -> bool {
    now < not_before || now.saturating_add(LIFETIME.as_secs() / 3) >= not_after
}

struct Made {
    config: Arc<ServerConfig>,
    not_before: u64,
    not_after: u64,
}

async fn issue(ca: &Ca, authority_id: &str, audit: &Audit) -> Result<Made, StartError> {
    let act = Act::new(String::new(), format!("authority/{authority_id}"));
    let validity = Validity::new(act.now(), LIFETIME);
    let (issued, key) = ca.issue_authority(authority_id, validity)?;
    let event = act
        .event(Action::AuthorityCertificateIssued, act.actor.as_str())
        .field("certificate", issued.serial);
    audit.append(event).await?;
    let chain = vec![issued.certificate, ca.certificate().clone()];
    let config = server_config(chain, &key, std::slice::from_ref(ca.certificate()))?;
    Ok(Made {
        config: Arc::new(config),
        not_before: validity.not_before(),
        not_after: issued.not_after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_due_after_two_thirds() {
        let end = LIFETIME.as_secs();
        assert!(!is_due(end * 2 / 3 - 1, 0, end));
        assert!(is_due(end * 2 / 3 + 1, 0, end));
        assert!(is_due(u64::MAX, 0, end));
    }

    #[test]
    fn is_due_when_the_clock_was_ahead() {
        let begin = 2 * LIFETIME.as_secs();
        let end = begin + LIFETIME.as_secs();
        assert!(!is_due(begin, begin, end));
        assert!(is_due(begin - 1, begin, end));
        assert!(is_due(0, begin, end));
    }
}
