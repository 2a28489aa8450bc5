//! How much this authority has put into the store for somebody and that is not over, so that nobody can fill it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// Things are counted by the minute in which they end.
const MINUTE: u64 = 60;

/// Counts, for each owner, what has not ended.
pub(super) struct Counts {
    /// For one owner.
    most: u64,
    /// How long a thing outlives its end, seconds.
    kept: u64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_owner: HashMap<String, BTreeMap<u64, u64>>,
    /// The minute in which those who own nothing any more were last forgotten.
    looked: u64,
}

impl Counts {
    pub(super) fn new(most: u64, kept: u64) -> Self {
        Self {
            most,
            kept,
            known: Mutex::default(),
        }
    }

    /// Takes room for so many more that end at `end`, all or none of them. Whether there was room.
    pub(super) fn take(&self, owner: &str, count: u64, end: u64, now: u64) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let over = now.saturating_sub(self.kept) / MINUTE;
        known.forget(over);
        let of_owner = match known.by_owner.get_mut(owner) {
            Some(of_owner) => of_owner,
            None => known.by_owner.entry(owner.to_owned()).or_default(),
        };
        *of_owner = of_owner.split_off(&over);
        if of_owner.values().sum::<u64>().saturating_add(count) > self.most {
            return false;
        }
        *of_owner.entry(end / MINUTE).or_default() += count;
        true
    }
}

impl Known {
    fn forget(&mut self, over: u64) {
        if self.looked < over {
            self.looked = over;
            self.by_owner
                .retain(|_, ends| ends.range(over..).next().is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_full_has_room_again_when_something_is_over() {
        let (counts, now) = (Counts::new(100, 900), 1_000_020);
        assert!((0..100).all(|_| counts.take("photos", 1, now + 30, now)));
        assert!(!counts.take("photos", 1, now + 30, now));
        assert!(counts.take("mail", 60, now + 30, now));
        assert!(!counts.take("mail", 41, now + 30, now));
        assert!(counts.take("mail", 40, now + 30, now));
        let over = now + 30 + 900;
        assert!(!counts.take("photos", 1, over + 900, over));
        assert!(counts.take("photos", 1, over + 900, over + MINUTE));
        assert_eq!(counts.known.lock().unwrap().by_owner.len(), 1);
    }
}
