//! Which agents are live: those that may still answer.
//!
//! An agent answers for its outage budget, counted from when it asked the authority that last answered it; past that it
//! answers 503. So whoever was not heard of for long enough needs no waiting for.

use super::guard::Guard;
use super::timing::Timing;

/// The last second at which an agent may answer from what it holds now, by any authority's clock.
///
/// `last_contact` (Unix seconds) and `budget` (seconds) are the agent's record; `granularity` (seconds) is how much older than
/// a contact the stored one may be, see [`contact_to_store`]. An answer's own delay counts for nothing, since the
/// budget runs from the question; a view's age neither, since the record only ever moves on.
pub fn live_until(last_contact: u64, budget: u64, granularity: u64, timing: &Timing) -> u64 {
    live_until_without(last_contact, budget, granularity, timing, None)
}

#[doc(hidden)]
pub fn live_until_without(
    last_contact: u64,
    budget: u64,
    granularity: u64,
    timing: &Timing,
    removed: Option<Guard>,
) -> u64 {
    [
        (Guard::Granularity, granularity),
        (Guard::ContactSkew, timing.leeway),
    ]
    .into_iter()
    .filter(|(guard, _)| guard.stays(removed))
    .fold(last_contact.saturating_add(budget), |sum, (_, seconds)| {
        sum.saturating_add(seconds)
    })
}

/// What an authority has to store before it answers an agent that asked: the contact's time, or nothing while the stored one is
/// recent enough. `now` is read after the question came; all are in seconds.
pub fn contact_to_store(stored: Option<u64>, now: u64, granularity: u64) -> Option<u64> {
    match stored {
        Some(stored) if now <= stored.saturating_add(granularity) => None,
        _ => Some(now),
    }
}
