//! How far the authorities' clock and this one's are apart.

use std::time::Duration;

use crate::clock::Moment;

/// After this, a clock may have drifted or been set, and any newer look at it is better than an old one.
const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
/// Both sides cut off parts of a millisecond.
const ROUNDING_MS: u64 = 2;

/// One look at an authority's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) at: Moment,
    /// The authority's clock minus this one's, milliseconds, if the answer came from halfway.
    difference_ms: i64,
    /// It is off by half of this at most.
    round_trip: Duration,
}

impl Look {
    /// From an answer that came at this moment, `now_ms` by this clock (Unix milliseconds).
    pub(super) fn new(at: Moment, now_ms: u64, server_time_ms: u64, round_trip: Duration) -> Self {
        let halfway = i128::from(now_ms).saturating_sub_unsigned(round_trip.as_millis() / 2);
        let difference = i128::from(server_time_ms) - halfway;
        Self {
            at,
            difference_ms: i64::try_from(difference).unwrap_or(i64::MAX),
            round_trip,
        }
    }

    /// Whether both can be right.
    fn agrees(&self, other: &Self) -> bool {
        let apart = self.difference_ms.abs_diff(other.difference_ms);
        let slack = (self.round_trip + other.round_trip) / 2;
        u128::from(apart) <= slack.as_millis() + u128::from(ROUNDING_MS)
    }
}

/// The best look of late.
#[derive(Default)]
pub(super) struct Clocks(Option<Look>);

impl Clocks {
    /// Gives the difference in milliseconds, as it is known from now on: by the look with the smallest round trip, unless a
    /// newer one shows that a clock was set.
    pub(super) fn looked(&mut self, look: Look) -> i64 {
        let is_better = |best: &Look| {
            best.round_trip <= look.round_trip
                && best.agrees(&look)
                && look.at.since(&best.at) < GOOD_FOR
        };
        self.0 = self.0.filter(is_better).or(Some(look));
        self.0.map_or(0, |best| best.difference_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(start: Moment, seconds: u64, difference_ms: i64, round_trip_ms: u64) -> Look {
        let at = Moment {
            wall: start.wall + seconds,
            steady: start.steady + Duration::from_secs(seconds),
        };
        Look {
            at,
            difference_ms,
            round_trip: Duration::from_millis(round_trip_ms),
        }
    }

    #[test]
    fn an_answer_is_taken_to_come_from_halfway() {
        let trip = Duration::from_millis(100);
        let difference = |now, server| Look::new(Moment::now(), now, server, trip).difference_ms;
        assert_eq!(difference(10_050, 10_000), 0);
        assert_eq!(difference(10_050, 17_000), 7_000);
        assert_eq!(difference(10_050, 3_000), -7_000);
        assert_eq!(difference(0, u64::MAX), i64::MAX);
    }

    #[test]
    fn the_look_with_the_smallest_round_trip_counts() {
        let (mut clocks, start) = (Clocks::default(), Moment::now());
        assert_eq!(clocks.looked(look(start, 0, 40, 100)), 40);
        assert_eq!(clocks.looked(look(start, 20, 5, 10)), 5);
        assert_eq!(clocks.looked(look(start, 40, 60, 200)), 5);
    }

    #[test]
    fn a_clock_that_was_set_and_a_look_of_long_ago_do_not() {
        let (mut clocks, start) = (Clocks::default(), Moment::now());
        clocks.looked(look(start, 0, 5, 10));
        assert_eq!(clocks.looked(look(start, 20, 60_000, 200)), 60_000);
        assert_eq!(clocks.looked(look(start, 40, 59_990, 10)), 59_990);
        assert_eq!(clocks.looked(look(start, 700, 60_010, 300)), 60_010);
    }
}
