//! How long to wait between two beats, and before another stream.

use std::time::Duration;

/// Least time between two beats of an authority's choosing.
const LEAST_PERIOD: Duration = Duration::from_secs(1);
/// An authority that asks for less contact than this asks for an outage that is noticed late.
const GREATEST_PERIOD: Duration = Duration::from_secs(300);
/// As many beats fit into the outage budget, so that one that is late does not use it up.
const BEATS_IN_BUDGET: u32 = 4;
/// Wait after the first stream that failed; the next ones wait twice as long each.
const LEAST_BACKOFF: Duration = Duration::from_secs(1);
/// Spread as it is, an agent that was cut off finds its way back within half a minute.
const GREATEST_BACKOFF: Duration = Duration::from_secs(20);
/// A stream that lived for this long was none of those that end at once, again and again.
const STEADY: Duration = Duration::from_secs(30);
/// Least time before a look that tokens ask for, however many do.
const LEAST_GAP: Duration = Duration::from_secs(2);
/// The same, while looks bring nothing: anyone can name an epoch that does not exist.
const GREATEST_GAP: Duration = Duration::from_secs(60);

/// What the last streams and looks came to.
pub(super) struct Pace {
    greatest_period: Duration,
    failures: u32,
    /// Whether nobody has answered since a failure.
    is_cut_off: bool,
    /// Whether the next authority that stops is left without a wait.
    may_move_on: bool,
    gap: Duration,
}

impl Pace {
    pub(super) fn new(outage_budget: Duration) -> Self {
        Self {
            greatest_period: GREATEST_PERIOD
                .min(outage_budget / BEATS_IN_BUDGET)
                .max(LEAST_PERIOD),
            failures: 0,
            is_cut_off: false,
            may_move_on: true,
            gap: LEAST_GAP,
        }
    }

    /// How long after a beat the next one leaves.
    pub(super) fn period(&self, beat_after_seconds: u32) -> Duration {
        Duration::from_secs(beat_after_seconds.into()).clamp(LEAST_PERIOD, self.greatest_period)
    }

    /// An authority answered. Gives whether that ended an outage.
    pub(super) fn answered(&mut self) -> bool {
        let is_back = std::mem::take(&mut self.is_cut_off);
        if is_back {
            self.gap = LEAST_GAP; // what brought nothing was the outage
        }
        is_back
    }

    /// A stream is over that lived for so long.
    pub(super) fn lived(&mut self, lived: Duration) {
        if lived >= STEADY {
            self.failures = 0;
            self.may_move_on = true;
        }
    }

    /// It is over because the authority stops. Gives whether another one may be asked at once: the first time, and again after
    /// a stream that lived for a while.
    pub(super) fn moves_on(&mut self) -> bool {
        std::mem::take(&mut self.may_move_on)
    }

    /// It failed. Gives how long to wait: 1 s, 2 s, 4 s, … up to 20 s; and whether the outage begins with it.
    pub(super) fn failed(&mut self) -> (Duration, bool) {
        let doublings = self.failures.min(8);
        self.failures = self.failures.saturating_add(1);
        let wait = LEAST_BACKOFF * 2_u32.pow(doublings);
        let is_first = !std::mem::replace(&mut self.is_cut_off, true);
        (wait.min(GREATEST_BACKOFF), is_first)
    }

    /// Least time from one look to another which tokens ask for.
    pub(super) fn gap(&self) -> Duration {
        self.gap
    }

    /// The keys changed.
    pub(super) fn brought_news(&mut self) {
        self.gap = LEAST_GAP;
    }

    /// A look that tokens asked for was not worth it.
    pub(super) fn brought_nothing(&mut self) {
        self.gap = (self.gap * 2).min(GREATEST_GAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_A_DAY: Duration = Duration::from_secs(12 * 3_600);

    #[test]
    fn the_authority_says_when_within_limits() {
        let pace = Pace::new(HALF_A_DAY);
        assert_eq!(pace.period(20), Duration::from_secs(20));
        assert_eq!(pace.period(0), LEAST_PERIOD);
        assert_eq!(pace.period(u32::MAX), GREATEST_PERIOD);
        let hasty = Pace::new(Duration::from_secs(60));
        assert_eq!(hasty.period(20), Duration::from_secs(15));
        assert_eq!(Pace::new(LEAST_PERIOD).period(20), LEAST_PERIOD);
    }

    #[test]
    fn failures_wait_longer_until_a_stream_lives() {
        let mut pace = Pace::new(HALF_A_DAY);
        let mut wait = |lived| {
            pace.lived(lived);
            pace.failed().0.as_secs()
        };
        let waits: Vec<_> = (0..7).map(|_| wait(Duration::ZERO)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!((wait(STEADY), wait(STEADY / 2)), (1, 2));
    }

    #[test]
    fn an_outage_begins_and_ends_once() {
        let mut pace = Pace::new(HALF_A_DAY);
        assert!(!pace.answered());
        assert!(pace.failed().1);
        assert!(!pace.failed().1);
        assert!(pace.answered());
        assert!(!pace.answered());
        assert!(pace.failed().1);
    }

    #[test]
    fn one_authority_that_stops_is_left_at_once() {
        let mut pace = Pace::new(HALF_A_DAY);
        assert!(pace.moves_on());
        pace.lived(STEADY / 2);
        assert!(!pace.moves_on(), "those that follow may wait");
        pace.lived(STEADY);
        assert!(pace.moves_on());
    }

    #[test]
    fn made_up_epochs_cost_less_and_less() {
        let mut pace = Pace::new(HALF_A_DAY);
        let gaps: Vec<_> = (0..7)
            .map(|_| {
                pace.brought_nothing();
                pace.gap().as_secs()
            })
            .collect();
        assert_eq!(gaps, [4, 8, 16, 32, 60, 60, 60]);
        pace.brought_news();
        assert_eq!(pace.gap(), LEAST_GAP);
        pace.failed();
        pace.brought_nothing();
        pace.answered();
        assert_eq!(pace.gap(), LEAST_GAP);
    }
}
