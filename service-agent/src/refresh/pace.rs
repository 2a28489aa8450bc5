//! How long to wait between two attempts.

use std::time::Duration;

/// Least time between two attempts.
const LEAST_PERIOD: Duration = Duration::from_secs(1);
/// An authority that asks for less contact than this asks for a revocation that comes late.
const GREATEST_PERIOD: Duration = Duration::from_secs(300);
/// An agent that is cut off finds its way back within this.
const GREATEST_BACKOFF: Duration = Duration::from_secs(30);
/// Least time before an attempt that tokens ask for, however many do.
const LEAST_GAP: Duration = Duration::from_secs(2);
/// The same, while such attempts bring nothing: anyone can name an epoch that does not exist.
const GREATEST_GAP: Duration = Duration::from_secs(60);

/// What the last attempts came to.
pub(super) struct Pace {
    failures: u32,
    gap: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            failures: 0,
            gap: LEAST_GAP,
        }
    }

    /// An attempt succeeded. Gives how long to wait before the next one, and whether this one ended an outage.
    pub(super) fn succeeded(&mut self, refresh_after_seconds: u32) -> (Duration, bool) {
        let is_back = std::mem::take(&mut self.failures) > 0;
        if is_back {
            self.gap = LEAST_GAP; // what brought nothing was the outage
        }
        let period = Duration::from_secs(refresh_after_seconds.into());
        (period.clamp(LEAST_PERIOD, GREATEST_PERIOD), is_back)
    }

    /// An attempt failed. Gives how long to wait: 1 s, 2 s, 4 s, … up to [`GREATEST_BACKOFF`]; and whether it was the first.
    pub(super) fn failed(&mut self) -> (Duration, bool) {
        let doublings = self.failures.min(8);
        self.failures = self.failures.saturating_add(1);
        let wait = LEAST_PERIOD * 2_u32.pow(doublings);
        (wait.min(GREATEST_BACKOFF), doublings == 0)
    }

    /// Least time from the beginning of one attempt to that of another which tokens ask for.
    pub(super) fn gap(&self) -> Duration {
        self.gap
    }

    /// Learns whether an attempt was worth it.
    pub(super) fn brought(&mut self, news: bool, was_forced: bool) {
        if news {
            self.gap = LEAST_GAP;
        } else if was_forced {
            self.gap = (self.gap * 2).min(GREATEST_GAP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_and_a_success_begins_again() {
        let mut pace = Pace::new();
        let waits: Vec<_> = (0..7).map(|_| pace.failed().0.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pace.succeeded(20), (Duration::from_secs(20), true));
        assert_eq!(pace.succeeded(0), (LEAST_PERIOD, false));
        assert_eq!(pace.succeeded(u32::MAX), (GREATEST_PERIOD, false));
        assert_eq!(pace.failed(), (LEAST_PERIOD, true));
    }

    #[test]
    fn made_up_epochs_cost_less_and_less() {
        let mut pace = Pace::new();
        let gaps: Vec<_> = (0..7)
            .map(|_| {
                pace.brought(false, true);
                pace.gap().as_secs()
            })
            .collect();
        assert_eq!(gaps, [4, 8, 16, 32, 60, 60, 60]);
        pace.brought(false, false);
        assert_eq!(pace.gap(), GREATEST_GAP);
        pace.brought(true, false);
        assert_eq!(pace.gap(), LEAST_GAP);
        pace.failed();
        pace.brought(false, true);
        pace.succeeded(20);
        assert_eq!(pace.gap(), LEAST_GAP);
    }
}
