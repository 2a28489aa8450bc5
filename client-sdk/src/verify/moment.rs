//! When a token is verified, on both clocks.

use rustix::time::{ClockId, clock_gettime};

/// As they were at the kernel's last tick, some milliseconds ago at most: only seconds matter here, and each look costs a third.
#[cfg(target_os = "linux")]
const CLOCKS: [ClockId; 2] = [ClockId::RealtimeCoarse, ClockId::MonotonicCoarse];
#[cfg(not(target_os = "linux"))]
const CLOCKS: [ClockId; 2] = [ClockId::Realtime, ClockId::Monotonic];

/// One moment, in whole seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Unix seconds, of the clock that can be set.
    pub(super) unix: u64,
    /// Of the clock that never goes back, and stands still while the computer sleeps.
    pub(super) steady: u64,
}

impl Moment {
    /// `None` before 1970.
    pub(super) fn now() -> Option<Self> {
        let [unix, steady] = CLOCKS.map(|clock| clock_gettime(clock).tv_sec);
        Some(Self {
            unix: unix.try_into().ok()?,
            steady: steady.try_into().ok()?,
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
