//! When a token is verified, on both clocks.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// As they were at the kernel's last tick, some milliseconds ago at most: only seconds matter here, and each look costs a third.
#[cfg(target_os = "linux")]
const CLOCKS: [ClockId; 2] = [ClockId::RealtimeCoarse, ClockId::MonotonicCoarse];
#[cfg(not(target_os = "linux"))]
const CLOCKS: [ClockId; 2] = [ClockId::Realtime, ClockId::Monotonic];

/// One moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Unix seconds, of the clock that can be set.
    pub(super) unix: u64,
    /// Of the clock that never goes back, and stands still while the computer sleeps.
    pub(super) steady: Duration,
}

impl Moment {
    /// `None` before 1970.
    pub(super) fn now() -> Option<Self> {
        let [unix, steady] = CLOCKS.map(clock_gettime);
        let nanoseconds = steady.tv_nsec.try_into().ok()?;
        Some(Self {
            unix: unix.tv_sec.try_into().ok()?,
            steady: Duration::new(steady.tv_sec.try_into().ok()?, nanoseconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn it_is_now() {
        let [before, after] = [Moment::now(), Moment::now()].map(Option::unwrap);
        assert!(before.steady <= after.steady);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        assert!(now.unwrap().as_secs().abs_diff(after.unix) < 60);
    }
}
