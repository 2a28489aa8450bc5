use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment by a clock that never jumps, and goes on while the machine is suspended (`CLOCK_BOOTTIME`), as
/// [`Instant`](std::time::Instant) does not. Comparable on one machine, within one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// Later than any other.
    pub const NEVER: Self = Self(Duration::MAX);

    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        Self(now.try_into().unwrap_or_default())
    }

    /// How long ago that was; nothing if it is still to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }

    /// How long it is until then; nothing if that was before.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }

    /// So much later.
    #[must_use]
    pub fn after(self, more: Duration) -> Self {
        Self(self.0.saturating_add(more))
    }

    /// Whether that is now or was before.
    #[must_use]
    pub fn is_past(self) -> bool {
        self <= Self::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on() {
        let then = BootTime::now();
        assert!(then.is_past() && then <= BootTime::now());
        assert!(!then.after(Duration::from_secs(3600)).is_past());
        assert!(!BootTime::NEVER.is_past());
        assert_eq!(BootTime::NEVER.after(Duration::MAX), BootTime::NEVER);
        assert_eq!(BootTime::NEVER.elapsed(), Duration::ZERO);
    }
}
