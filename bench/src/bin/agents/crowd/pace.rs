//! How long an agent waits before its next stream: as `service-agent/src/follow/pace.rs` has it.

use std::time::Duration;

/// Wait after the first stream that failed; the next ones wait twice as long each.
const LEAST_BACKOFF: Duration = Duration::from_secs(1);
const GREATEST_BACKOFF: Duration = Duration::from_secs(20);
/// A stream that lived for this long was none of those that end at once, again and again.
const STEADY: Duration = Duration::from_secs(30);

/// What the last streams came to.
#[derive(Default)]
pub(super) struct Pace {
    failures: u32,
}

impl Pace {
    /// A stream is over that lived for so long: how long to wait, up to half of it shorter or longer.
    pub(super) fn over(&mut self, lived: Duration) -> Duration {
        if lived >= STEADY {
            self.failures = 0;
        }
        let wait = LEAST_BACKOFF * 2_u32.pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        wait.min(GREATEST_BACKOFF)
            .mul_f64(rand::random_range(0.5..=1.5))
    }
}

/// From one beat to the next: up to a tenth shorter or longer than the authority wants it.
pub(super) fn beat_after(seconds: u32) -> Duration {
    Duration::from_secs(seconds.max(1).into()).mul_f64(rand::random_range(0.9..=1.1))
}
