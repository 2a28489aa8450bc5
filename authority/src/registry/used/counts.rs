//! How many uses this authority remembers for each service, so that none can fill the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use super::KEPT;

/// For one service, by one authority. About 200 bytes each in the store: 50 MB.
const MOST: u64 = 250_000;
/// Uses are counted by the minute in which their tokens end.
const MINUTE: u64 = 60;

#[derive(Default)]
pub(super) struct Counts(Mutex<HashMap<String, BTreeMap<u64, u64>>>);

impl Counts {
    /// Whether there is room for one more.
    pub(super) fn take(&self, service: &str, not_after: u64, now: u64) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_service = match counts.get_mut(service) {
            Some(of_service) => of_service,
            None => counts.entry(service.to_owned()).or_default(),
        };
        let over = now.saturating_sub(KEPT) / MINUTE;
        *of_service = of_service.split_off(&over);
        if of_service.values().sum::<u64>() >= MOST {
            return false;
        }
        *of_service.entry(not_after / MINUTE).or_default() += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_full_has_room_again_when_its_tokens_are_over() {
        let (counts, now) = (Counts::default(), 1_000_000);
        assert!((0..MOST).all(|_| counts.take("photos", now + 30, now)));
        assert!(!counts.take("photos", now + 30, now));
        assert!(counts.take("mail", now + 30, now));
        assert!(!counts.take("photos", now + 900, now + 30 + KEPT));
        assert!(counts.take("photos", now + 900, now + 30 + KEPT + MINUTE));
    }
}
