//! Verifying a presentation: the core's rules with this agent's keys, memory, clock and outage budget.

use std::cell::RefCell;
use std::sync::Arc;

use cattery_core::{Code, Denied, NoSingleUse, Policy, RequestFacts, Scratch, Verified, Verifier};
use tracing::{debug, info};

use crate::agent::Agent;
use crate::clock::Moment;
use crate::decision::Question;
use crate::decision_log::Line;
use crate::keys::KeySet;
use crate::once::{Noting, Spend};
use crate::verdict::Verdict;

thread_local! {
    /// Where presentations are decoded to: one for each thread, so that verifying allocates nothing.
    pub(crate) static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
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
                self.look.request();
                Err(Verdict::Unavailable)
            }
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            leeway: self.config.leeway_seconds,
            max_lifetime: self.config.max_lifetime_seconds,
            demands: self.config.demands,
        }
    }

    /// Verifies the token of a caller, or one that a verified `presenter` forwards, and gives what `keep` makes of the result. Waits for nobody, but for the authorities where a single use has to be
    /// spent with them.
    ///
    /// # Errors
    /// What the caller may be told; the rest is in the log.
    pub(crate) async fn verify<T>(
        &self,
        question: &Question<'_>,
        presenter: Option<&str>,
        presentation: &str,
        keep: impl FnOnce(Verified<'_>) -> T,
    ) -> Result<T, Verdict> {
        let now = match presenter {
            None => question.asked_at,
            // The one before it may have waited for an authority.
            Some(_) => Moment::now(),
        };
        let (kept, spend) = self.verify_at(now, question, presenter, presentation, |verified| {
            let (not_after, token_id) = (verified.not_after(), verified.token_id());
            let principal = self.decision_log.has_all();
            let principal = principal.then(|| verified.principal().to_owned());
            (keep(verified), not_after, token_id, principal)
        })?;
        let (kept, not_after, token_id, principal) = kept;
        if let Some(spend) = spend {
            // Its room is large and seldom needed: each question that waits or is moved would have it.
            let spent = Box::pin(self.spend(spend, not_after)).await;
            spent.map_err(|unspent| {
                self.log_refused(Some(question), &unspent.line(Some(token_id)));
                unspent.verdict
            })?;
        }
        if let Some(principal) = principal {
            self.log_accepted(question, &principal, token_id, presenter);
        }
        Ok(kept)
    }

    fn verify_at<T>(
        &self,
        now: Moment,
        question: &Question<'_>,
        presenter: Option<&str>,
        presentation: &str,
        keep: impl FnOnce(Verified<'_>) -> T,
    ) -> Result<(T, Option<Spend>), Verdict> {
        let keys = self.keys.load();
        let keys = self.usable(keys.as_ref(), now)?;
        let memory = Noting::new(self.once.at(now), self.config.single_use_shared);
        let verifier = Verifier {
            service: self.service.as_str(),
            keys: keys.at(now.wall, self.config.leeway_seconds),
            revocations: keys,
            single_use: &memory,
            policy: self.policy(),
        };
        let facts = question.facts.as_core();
        let kept = SCRATCH.with_borrow_mut(|scratch| {
            let code = match verifier.verify_by(presenter, presentation, &facts, now.wall, scratch)
            {
                Ok(verified) => return Ok(keep(verified)),
                Err(denied) => {
                    self.log_denied(question, &denied, presenter);
                    denied.code
                }
            };
            self.look_at_clocks(keys, code, now, presenter, presentation, &facts, scratch);
            Err(self.refuse(code))
        })?;
        Ok((kept, memory.into_spend()))
    }

    /// Says so where a token was most likely refused since clocks differ.
    #[allow(clippy::too_many_arguments)] // all of what was verified
    pub(crate) fn look_at_clocks(
        &self,
        keys: &KeySet,
        code: Code,
        now: Moment,
        presenter: Option<&str>,
        presentation: &str,
        facts: &RequestFacts<'_>,
        scratch: &mut Scratch,
    ) {
        let passes = |theirs| {
            let verifier = Verifier {
                service: self.service.as_str(),
                keys: keys.at(theirs, self.config.leeway_seconds),
                revocations: keys,
                single_use: NoSingleUse, // it is not used: only looked at
                policy: self.policy(),
            };
            match verifier.verify_by(presenter, presentation, facts, theirs, scratch) {
                Ok(_) => true,
                Err(denied) => denied.code == Code::ReplayFull,
            }
        };
        if self.skew().explains(code, now.wall, passes) {
            self.blame_clocks(code, now);
        }
    }

    fn blame_clocks(&self, code: Code, now: Moment) {
        let difference_ms = self.skew().difference_ms;
        if self.skew_said.is_time(now.steady) {
            info!(
                %code,
                difference_ms,
                "tokens are refused for their time, most likely since the authorities' clock and this one's differ: check NTP on both"
            );
        } else {
            debug!(%code, difference_ms, "most likely since clocks differ");
        }
    }

    /// What comes of a token that is refused with this code.
    pub(crate) fn refuse(&self, code: Code) -> Verdict {
        if code == Code::UnknownEpoch {
            self.look.request();
            if self.contact.is_failing() {
                return Verdict::Unavailable;
            }
        }
        Verdict::Denied(code)
    }
}

impl Agent {
    pub(crate) fn log_denied(
        &self,
        question: &Question<'_>,
        denied: &Denied<'_>,
        presenter: Option<&str>,
    ) {
        let id = denied.key_id;
        let proved = id.filter(|_| denied.is_authentic());
        let line = Line {
            verdict: denied.code.as_str(),
            detail: Some(&denied.reason),
            principal: proved.map(|id| id.principal),
            token_id: denied.token_id.filter(|_| proved.is_some()),
            epoch: id.map(|id| id.epoch),
            presenter,
        };
        self.log_refused(Some(question), &line);
    }
}
