//! When to renew, by two clocks: the timer stands still while a computer sleeps, and the wall clock can be set.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A clock that reads Unix seconds; `None` before 1970.
pub(super) type Wall = fn() -> Option<u64>;

/// How soon after a computer woke up this is noticed.
const NAP: Duration = Duration::from_secs(60);
/// How far apart the clocks may drift, seconds, before that means sleep, or a clock that was set.
const APART: u64 = 5;

pub(super) struct Alarm {
    wall: Wall,
    set: Instant,
    set_unix: Option<u64>,
    at: Instant,
}

impl Alarm {
    pub(super) fn after(wait: Duration, wall: Wall) -> Self {
        let set = Instant::now();
        Self {
            wall,
            set,
            set_unix: wall(),
            at: set + wait,
        }
    }

    pub(super) fn no_later_than(&mut self, wait: Duration) {
        self.at = self.at.min(Instant::now() + wait);
    }

    pub(super) async fn rung(&self) {
        while Instant::now() < self.at && !self.clocks_apart() {
            sleep_until(self.at.min(Instant::now() + NAP)).await;
        }
    }

    fn clocks_apart(&self) -> bool {
        let (Some(set), Some(now)) = (self.set_unix, (self.wall)()) else {
            return false;
        };
        set.saturating_add(self.set.elapsed().as_secs())
            .abs_diff(now)
            > APART
    }
}
