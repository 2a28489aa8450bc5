//! The outage budget: how long the agent goes on without hearing from any authority.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::clock::Moment;

/// When an authority was last heard, and how much of the budget that leaves.
pub(crate) struct Contact {
    budget: Duration,
    last: ArcSwapOption<Last>,
    /// Whether the last attempt failed.
    failing: AtomicBool,
}

struct Last {
    at: Moment,
    /// How long it had been at `at`: not zero after a start from the cache.
    before: Duration,
}

impl Contact {
    pub(crate) fn new(budget: Duration) -> Self {
        Self {
            budget,
            last: ArcSwapOption::empty(),
            failing: AtomicBool::new(false),
        }
    }

    /// An authority answered a question that was asked `at` this moment.
    pub(crate) fn heard(&self, at: Moment) {
        self.last.store(Some(
            Last {
                at,
                before: Duration::ZERO,
            }
            .into(),
        ));
        self.failing.store(false, Ordering::Relaxed);
    }

    /// What a former life of this agent remembers: at the moment `at`, it had been `before`.
    pub(crate) fn remembered(&self, at: Moment, before: Duration) {
        self.last.store(Some(Last { at, before }.into()));
    }

    /// No authority answered.
    pub(crate) fn failed(&self) {
        self.failing.store(true, Ordering::Relaxed);
    }

    /// Whether the last attempt failed: what is newer than the keys held may well be good.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn budget(&self) -> Duration {
        self.budget
    }

    /// How long ago; `None` before the first time.
    pub(crate) fn elapsed(&self, now: Moment) -> Option<Duration> {
        let last = self.last.load();
        last.as_ref()
            .map(|last| last.before.saturating_add(now.since(&last.at)))
    }

    /// What is left of the budget; zero before the first contact.
    pub(crate) fn left(&self, now: Moment) -> Duration {
        self.elapsed(now)
            .map_or(Duration::ZERO, |gone| self.budget.saturating_sub(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(moment: Moment, steady: u64, wall: i64) -> Moment {
        Moment {
            wall: moment.wall.saturating_add_signed(wall),
            steady: moment.steady + Duration::from_secs(steady),
        }
    }

    #[test]
    fn the_budget_begins_with_the_first_contact_and_runs_out() {
        let contact = Contact::new(Duration::from_secs(100));
        let start = Moment::now();
        assert_eq!(contact.left(start), Duration::ZERO);
        contact.heard(start);
        assert_eq!(contact.left(later(start, 40, 40)), Duration::from_secs(60));
        assert_eq!(contact.left(later(start, 100, 100)), Duration::ZERO);
    }

    #[test]
    fn a_clock_set_back_and_a_machine_that_slept_add_nothing() {
        let contact = Contact::new(Duration::from_secs(100));
        let start = Moment::now();
        contact.heard(start);
        assert_eq!(
            contact.left(later(start, 90, -500)),
            Duration::from_secs(10)
        );
        assert_eq!(contact.left(later(start, 1, 90)), Duration::from_secs(10));
    }

    #[test]
    fn a_restart_refills_nothing() {
        let contact = Contact::new(Duration::from_secs(100));
        let start = Moment::now();
        contact.remembered(start, Duration::from_secs(70));
        assert_eq!(contact.left(later(start, 20, 20)), Duration::from_secs(10));
    }
}
