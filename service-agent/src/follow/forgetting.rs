//! When revoked ids that have ended are let go.

use std::time::Duration;

use crate::clock::Moment;

/// What has ended costs nothing but its memory, and finding it means to look at all.
const PERIOD: Duration = Duration::from_secs(3_600);

/// Remembers when it was done.
#[derive(Default)]
pub(super) struct Forgetting(Option<Moment>);

impl Forgetting {
    /// The time (Unix seconds) until which ids have to have ended to be let go now; `None` where it is not yet an hour since the last time.
    /// A clock that is ahead must not bring back what is revoked once it is set right, so of this clock and the authorities' the one that is
    /// behind counts; and an agent's leeway may be greater than the one that the authorities reckon with.
    pub(super) fn due(&mut self, now: Moment, difference_ms: i64, leeway: u64) -> Option<u64> {
        if self.0.is_some_and(|last| now.since(&last) < PERIOD) {
            return None;
        }
        self.0 = Some(now);
        let behind = difference_ms.min(0).unsigned_abs().div_ceil(1_000);
        Some(now.wall.saturating_sub(behind).saturating_sub(leeway))
    }
}

#[cfg(test)]
mod tests {
    use cattery_core::{Fingerprint, RevocationKey, RevokedIds};

    use super::*;
    use crate::keys::Revoked;
    use crate::position::Position;

    const HOUR: u64 = 3_600;

    fn after(start: Moment, seconds: u64) -> Moment {
        Moment {
            wall: start.wall + seconds,
            steady: start.steady + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn it_is_done_once_an_hour_by_the_clock_that_is_behind() {
        let (mut forgetting, start) = (Forgetting::default(), Moment::now());
        let mut due = |seconds, difference_ms| {
            let due = forgetting.due(after(start, seconds), difference_ms, 30)?;
            Some(i128::from(due) - i128::from(start.wall))
        };
        assert_eq!(due(0, 0), Some(-30));
        assert_eq!(due(HOUR - 1, 0), None);
        assert_eq!(due(HOUR, 5_000), Some(3_570));
        assert_eq!(due(2 * HOUR, -5_001), Some(7_164));
        assert_eq!(due(2 * HOUR + 1, 0), None);
    }

    /// 50 tokens an hour are revoked for a day each.
    #[test]
    fn nothing_grows_over_a_year() {
        let (mut forgetting, start) = (Forgetting::default(), Moment::now());
        let mut position = Position::default();
        let key = RevocationKey::from_bytes([1; 16]);
        let mut revoked = Revoked::new(key, RevokedIds::new(), position);
        for hour in 0..365 * 24_u64 {
            let now = after(start, hour * HOUR);
            position.sequence += 1;
            let ids = (0..50_u64).map(|number| {
                let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let id = [spread.to_be_bytes(), hour.to_be_bytes()].concat();
                (Fingerprint(id.try_into().unwrap()), now.wall + 24 * HOUR)
            });
            revoked = revoked.and(ids.collect(), position);
            if let Some(until) = forgetting.due(now, 0, 30) {
                revoked = revoked.without_ended(until).unwrap_or(revoked);
            }
            let held = revoked.ids().iter().count();
            assert!(held <= 2_000, "{held} after {hour} hours");
            assert!(revoked.ids().digest(now.wall).0 <= 25 * 50);
        }
    }
}
