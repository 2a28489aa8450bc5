//! What the agent is, holds and waits for: `GetStatus`, readiness, and the notes that explain both.

use std::time::Duration;

use cattery_proto::v1;

use crate::agent::Agent;
use crate::clock::Moment;

/// A budget with less left than this part of it is worth a note.
const LOW_BUDGET: u32 = 2;

impl Agent {
    /// Whether it verifies.
    pub(crate) fn is_ready(&self, now: Moment) -> bool {
        self.keys.load().is_some() && !self.contact.left(now).is_zero()
    }

    /// Why it does not verify, or what to look after.
    pub(crate) fn notes(&self, now: Moment) -> Vec<String> {
        let mut notes = Vec::new();
        let (budget, left) = (self.contact.budget(), self.contact.left(now));
        let gone = self.contact.elapsed(now);
        if self.keys.load().is_none() {
            notes.push("no keys yet: no authority has given any since the start".to_owned());
        } else if left.is_zero() {
            notes.push(format!(
                "the outage budget is used up: no authority has answered for {}, and the budget is {}",
                words(gone.unwrap_or_default()),
                words(budget)
            ));
        } else if left < budget / LOW_BUDGET {
            notes.push(format!(
                "no authority has answered for {}: in {} this agent stops verifying",
                words(gone.unwrap_or_default()),
                words(left)
            ));
        } else if self.contact.is_failing() {
            notes.push(
                "no authority answered the last time: verifying with the keys held".to_owned(),
            );
        }
        let skew = self.skew();
        if skew.is_great() {
            notes.push(format!(
                "the authorities' clock and this one's differ by {} ms: check NTP on both",
                skew.difference_ms
            ));
        }
        let enrolled = self.link.enrolled();
        if enrolled.has_ended(now.wall) {
            notes.push(self.link.way_back());
        }
        notes
    }

    /// All of it in one line.
    pub(crate) fn summary(&self, now: Moment) -> String {
        let mut parts = vec![match self.is_ready(now) {
            true => format!("ready, {}", self.service),
            false => format!("not ready, {}", self.service),
        }];
        parts.extend(self.notes(now));
        parts.join("; ")
    }

    /// How much of the outage budget is left.
    pub(crate) fn budget(&self, now: Moment) -> String {
        let (left, all) = (self.contact.left(now), self.contact.budget());
        format!("outage budget left: {} of {}", words(left), words(all))
    }

    pub(crate) fn status(&self, now: Moment) -> v1::GetStatusResponse {
        let enrolled = self.link.enrolled();
        let keys = self.keys.load();
        let epochs = keys.as_ref().map(|keys| {
            let epoch = |held: &crate::keys::Held| v1::HeldEpoch {
                epoch: held.epoch,
                generation: held.generation,
                state: held.state.into(),
            };
            keys.held().iter().map(epoch).collect()
        });
        let revoked = keys
            .as_ref()
            .map(|keys| keys.revoked().ids().digest(now.wall));
        let (revoked_ids, revoked_ids_digest) = revoked.unwrap_or_default();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        v1::GetStatusResponse {
            service: self.service.to_string(),
            agent_id: enrolled.agent_id.clone(),
            ready: self.is_ready(now),
            notes: self.notes(now),
            epochs: epochs.unwrap_or_default(),
            last_contact_seconds: self.contact.elapsed(now).map(|gone| gone.as_secs()),
            outage_budget_seconds: self.contact.budget().as_secs(),
            outage_budget_left_seconds: self.contact.left(now).as_secs(),
            certificate_not_after: enrolled.not_after,
            clock_difference_ms: self.skew().difference_ms,
            single_use_entries: count(self.once.len()),
            single_use_capacity: count(self.once.capacity()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revoked_ids,
            revoked_ids_digest: revoked_ids_digest.to_vec(),
        }
    }
}

/// `11 h 59 min`, `3 min 20 s`, `7 s`.
fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}
