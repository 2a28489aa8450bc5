//! The clocks: everything below this file takes the time as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment on both clocks: the wall clock, which may jump, and the monotonic one, which stops while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Unix seconds.
    pub(crate) wall: u64,
    /// Never goes back.
    pub(crate) steady: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            wall: unix_seconds(),
            steady: Instant::now(),
        }
    }

    /// How long ago `earlier` was, by the clock that says longer: neither a sleep nor a jump back makes it shorter.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let steady = self.steady.saturating_duration_since(earlier.steady);
        let wall = Duration::from_secs(self.wall.saturating_sub(earlier.wall));
        steady.max(wall)
    }
}

/// Unix seconds; a clock before 1970 counts as 1970.
pub(crate) fn unix_seconds() -> u64 {
    since_1970().as_secs()
}

/// Unix milliseconds.
pub(crate) fn unix_millis() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Any duration up to this one, for what happens to many agents at once.
pub(crate) fn within(most: Duration) -> Duration {
    most.mul_f64(rand::random_range(0.0..=1.0))
}

/// The duration, up to half of it shorter or longer, for those whom one and the same event made wait.
pub(crate) fn spread(duration: Duration) -> Duration {
    duration.mul_f64(rand::random_range(0.5..=1.5))
}

/// The duration, up to a tenth shorter or longer, so that many agents do not come at once.
pub(crate) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::random_range(0.9..=1.1))
}
