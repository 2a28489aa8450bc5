//! Saying once a minute what every request could say.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const GAP: Duration = Duration::from_secs(60);

/// Remembers when it was said.
#[derive(Default)]
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// True the first time, and then after a minute each.
    pub(crate) fn is_time(&self, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = said.is_none_or(|said| now.saturating_duration_since(said) >= GAP);
        if is_time {
            *said = Some(now);
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_then_one_each_minute() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let times = [0, 1, 59, 60, 61, 119, 120];
        let said = times.map(|s| seldom.is_time(start + Duration::from_secs(s)));
        assert_eq!(said, [true, false, false, true, false, false, true]);
    }
}
