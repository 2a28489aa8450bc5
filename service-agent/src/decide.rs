//! Verifying a presentation: the core's rules with this agent's keys, memory, clock and outage budget.

use std::cell::RefCell;
use std::sync::Arc;

use cattery_core::{Code, Denied, Policy, Scratch, Verified, Verifier};
use tracing::debug;

use crate::agent::Agent;
use crate::clock::Moment;
use crate::facts::Facts;
use crate::keys::KeySet;
use crate::verdict::Verdict;

thread_local! {
    /// Where presentations are decoded to: one for each thread, so that verifying allocates nothing.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

impl Agent {
    /// These keys, if they may be relied on now; otherwise newer ones are asked for.
    pub(crate) fn usable<'a>(
        &self,
        keys: Option<&'a Arc<KeySet>>,
        now: Moment,
    ) -> Result<&'a KeySet, Verdict> {
        match keys {
            Some(keys) if !self.contact.left(now).is_zero() => Ok(keys),
            Some(_) | None => {
                self.refresh.request();
                Err(Verdict::Unavailable)
            }
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            leeway: self.config.leeway_seconds,
            max_lifetime: self.config.max_lifetime_seconds,
        }
    }

    /// Verifies, and gives what `keep` makes of the result. No network, no waiting.
    ///
    /// # Errors
    /// What the caller may be told; the rest is in the log.
    pub(crate) fn verify<T>(
        &self,
        presentation: &str,
        facts: &Facts<'_>,
        keep: impl FnOnce(Verified<'_>) -> T,
    ) -> Result<T, Verdict> {
        self.verify_at(Moment::now(), presentation, facts, keep)
    }

    fn verify_at<T>(
        &self,
        now: Moment,
        presentation: &str,
        facts: &Facts<'_>,
        keep: impl FnOnce(Verified<'_>) -> T,
    ) -> Result<T, Verdict> {
        let keys = self.keys.load();
        let keys = self.usable(keys.as_ref(), now)?;
        let verifier = Verifier {
            service: self.service.as_str(),
            keys: keys.at(now.wall, self.config.leeway_seconds),
            revocations: keys,
            single_use: self.once.at(now),
            policy: self.policy(),
        };
        SCRATCH.with_borrow_mut(|scratch| {
            verifier
                .verify(presentation, &facts.as_core(), now.wall, scratch)
                .map(keep)
                .map_err(|denied| self.refuse(&denied))
        })
    }

    fn refuse(&self, denied: &Denied<'_>) -> Verdict {
        log(denied);
        if denied.code == Code::UnknownEpoch {
            self.refresh.request();
            if self.contact.is_failing() {
                return Verdict::Unavailable;
            }
        }
        Verdict::Denied(denied.code)
    }
}

/// What a stranger claims stays out of the log: the principal is there only once the tag was right.
fn log(denied: &Denied<'_>) {
    let (code, reason) = (denied.code, denied.reason);
    match denied.key_id {
        Some(id) if denied.is_authentic() => debug!(
            %code,
            detail = %reason,
            principal = id.principal,
            token_id = denied.token_id.map(hex::encode),
            "refused"
        ),
        Some(id) => debug!(%code, detail = %reason, epoch = id.epoch, "refused"),
        None => debug!(%code, detail = %reason, "refused"),
    }
}
