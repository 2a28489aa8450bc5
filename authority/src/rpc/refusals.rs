//! How often somebody is refused is theirs to say, and how often that is written down is ours.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pause between two reports of the same one.
const PAUSE: Duration = Duration::from_secs(60);
/// Most of those who are told apart. All others share one pause.
const MOST: usize = 4_096;

/// Reports the first refusal of each one, and then one a minute with how many there were.
#[derive(Default)]
pub(super) struct Refusals {
    seen: Mutex<HashMap<String, Seen>>,
}

struct Seen {
    reported: Instant,
    since: u64,
}

impl Refusals {
    /// Counts a refusal. Answers how many there were since the last report when it is time for another one.
    pub(super) fn count(&self, who: &str) -> Option<u64> {
        self.count_at(who, Instant::now())
    }

    fn count_at(&self, who: &str, now: Instant) -> Option<u64> {
        let young = |seen: &Seen| now.saturating_duration_since(seen.reported) < PAUSE;
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(who) {
            all.retain(|_, seen| young(seen));
        }
        let who = match all.len() >= MOST && !all.contains_key(who) {
            true => "",
            false => who,
        };
        match all.get_mut(who) {
            Some(seen) if young(seen) => {
                seen.since += 1;
                None
            }
            found => {
                let times = found.map_or(1, |seen| seen.since + 1);
                let reported = now;
                all.insert(who.to_owned(), Seen { reported, since: 0 });
                Some(times)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_reported_and_then_one_a_minute() {
        let refusals = Refusals::default();
        let began = Instant::now();
        assert_eq!(refusals.count_at("a", began), Some(1));
        assert_eq!(refusals.count_at("b", began), Some(1));
        for second in 1..60 {
            let now = began + Duration::from_secs(second);
            assert_eq!(refusals.count_at("a", now), None);
        }
        assert_eq!(refusals.count_at("a", began + PAUSE), Some(60));
        assert_eq!(refusals.count_at("a", began + PAUSE), None);
    }

    #[test]
    fn many_at_once_share_one_report() {
        let refusals = Refusals::default();
        let began = Instant::now();
        let all = |now| (0..2 * MOST).filter_map(move |n| refusals.count_at(&n.to_string(), now));
        assert_eq!(all(began).count(), MOST + 1);
    }
}
