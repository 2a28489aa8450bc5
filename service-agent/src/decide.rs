//! Verifying a presentation: the core's rules with this agent's keys, memory, clock and outage budget.

use std::cell::RefCell;
use std::sync::Arc;

use cattery_core::{
    CaveatKind, Code, Denied, NoSingleUse, Policy, Reason, RequestFacts, Scratch, Verified,
    Verifier,
};
use tracing::{debug, info};

use crate::agent::Agent;
use crate::clock::Moment;
use crate::decision::Question;
use crate::keys::KeySet;
use crate::once::{Noting, Spend};
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
        let now = Moment::now();
        let (kept, spend) = self.verify_at(now, question, presenter, presentation, |verified| {
            let (not_after, token_id) = (verified.not_after(), verified.token_id());
            (keep(verified), not_after, token_id)
        })?;
        let (kept, not_after, token_id) = kept;
        if let Some(spend) = spend {
            let spent = self.spend(spend, not_after).await;
            spent.map_err(|unspent| {
                unspent.log(Some(question), Some(token_id));
                unspent.verdict
            })?;
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
                    log(&denied, question, presenter, &facts);
                    denied.code
                }
            };
            let passes = |theirs| {
                let verifier = Verifier {
                    service: verifier.service,
                    keys: keys.at(theirs, self.config.leeway_seconds),
                    revocations: keys,
                    single_use: NoSingleUse, // it is not used: only looked at
                    policy: verifier.policy,
                };
                match verifier.verify_by(presenter, presentation, &facts, theirs, scratch) {
                    Ok(_) => true,
                    Err(denied) => denied.code == Code::ReplayFull,
                }
            };
            if self.skew().explains(code, now.wall, passes) {
                self.blame_clocks(code, now);
            }
            Err(self.refuse(code))
        })?;
        Ok((kept, memory.into_spend()))
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

    fn refuse(&self, code: Code) -> Verdict {
        if code == Code::UnknownEpoch {
            self.look.request();
            if self.contact.is_failing() {
                return Verdict::Unavailable;
            }
        }
        Verdict::Denied(code)
    }
}

/// What a stranger claims stays out of the log: the principal is there only once the tag was right. Who presents a forwarded token is
/// known from a token of their own. A token for another request is told with what it was sent with, but for the query, which may be
/// private.
fn log(
    denied: &Denied<'_>,
    question: &Question<'_>,
    presenter: Option<&str>,
    facts: &RequestFacts<'_>,
) {
    let (code, reason) = (denied.code, denied.reason);
    let (decision, face) = (question.id, question.face.as_str());
    let token_id = denied.token_id.map(hex::encode);
    match denied.key_id {
        Some(id) if is_of_another_request(reason) => debug!(
            %code,
            detail = %reason,
            principal = id.principal,
            token_id,
            presenter,
            %decision,
            face,
            method = facts.method,
            authority = facts.authority,
            path = facts.path(),
            body_known = facts.body_sha256.is_some(),
            "refused"
        ),
        Some(id) if denied.is_authentic() => debug!(
            %code,
            detail = %reason,
            principal = id.principal,
            token_id,
            presenter,
            %decision,
            face,
            "refused"
        ),
        Some(id) => {
            debug!(%code, detail = %reason, epoch = id.epoch, presenter, %decision, face, "refused");
        }
        None => debug!(%code, detail = %reason, presenter, %decision, face, "refused"),
    }
}

fn is_of_another_request(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Caveat {
            kind: Some(CaveatKind::Request),
            ..
        }
    )
}
