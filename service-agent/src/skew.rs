//! Clocks that differ: whether they are why a token is refused.

use std::sync::atomic::{AtomicI64, Ordering};

use cattery_core::Code;

/// What stands for a difference that is not known. No clock is that far off.
const UNKNOWN: i64 = i64::MIN;

/// The authorities' clock minus this one's, milliseconds, once an authority has said what its clock shows.
pub(crate) struct ClockDifference(AtomicI64);

impl Default for ClockDifference {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl ClockDifference {
    pub(crate) fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<i64> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => None,
            ms => Some(ms),
        }
    }
}

/// How far the authorities' clock and this one's are apart, and how much of that is forgiven.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skew {
    /// The authorities' clock minus this one's, milliseconds.
    pub(crate) difference_ms: i64,
    /// Seconds.
    pub(crate) leeway: u64,
}

impl Skew {
    /// Whether one half of the leeway is used up, so that the other side may use up the rest.
    pub(crate) fn is_great(self) -> bool {
        u128::from(self.difference_ms.unsigned_abs()) > u128::from(self.leeway) * 1_000 / 2
    }

    /// The authorities' clock minus this one's, seconds.
    pub(crate) fn difference_seconds(self) -> f64 {
        self.difference_ms as f64 / 1_000.0
    }

    /// What the authorities' clock says when this one says `now` (Unix seconds); `None` where it says the same second.
    pub(crate) fn theirs(self, now: u64) -> Option<u64> {
        match self.difference_ms / 1_000 {
            0 => None,
            seconds => Some(now.saturating_add_signed(seconds)),
        }
    }

    /// Whether the clocks are the likely reason for a refusal with this code at `now` (Unix seconds). `passes` tells whether the
    /// token is good at another time.
    pub(crate) fn explains(self, code: Code, now: u64, passes: impl FnOnce(u64) -> bool) -> bool {
        match code {
            Code::NotYetValid | Code::Expired | Code::KeyExpired => self
                .theirs(now)
                .is_some_and(|theirs| self.is_great() || passes(theirs)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(difference_ms: i64) -> Skew {
        let leeway = 30;
        Skew {
            difference_ms,
            leeway,
        }
    }

    #[test]
    fn a_difference_is_unknown_until_it_is_told() {
        let difference = ClockDifference::default();
        assert_eq!(difference.get(), None);
        for ms in [0, -98_500] {
            difference.set(ms);
            assert_eq!(difference.get(), Some(ms));
        }
        assert_eq!(skew(-98_500).difference_seconds(), -98.5);
    }

    #[test]
    fn half_of_the_leeway_is_a_great_difference() {
        assert!(!skew(15_000).is_great() && !skew(-15_000).is_great());
        assert!(skew(15_001).is_great() && skew(-15_001).is_great());
        assert!(skew(i64::MIN).is_great());
    }

    #[test]
    fn clocks_explain_refusals_for_time_alone() {
        let never = |_| false;
        assert!(skew(20_000).explains(Code::Expired, 1_000, never));
        assert!(skew(-20_000).explains(Code::NotYetValid, 1_000, never));
        assert!(skew(20_000).explains(Code::KeyExpired, 1_000, never));
        assert!(!skew(20_000).explains(Code::BadTag, 1_000, |_| true));
    }

    #[test]
    fn a_small_difference_explains_what_it_decides() {
        assert!(skew(-5_000).explains(Code::Expired, 1_000, |theirs| theirs == 995));
        assert!(!skew(-5_000).explains(Code::Expired, 1_000, |_| false));
        assert!(!skew(999).explains(Code::Expired, 1_000, |_| true));
    }
}
