//! Which agents are live: those that may still answer.
//!
//! An agent answers for its outage budget, counted from when it asked the authority that last answered it; past that it
//! answers 503. So whoever was not heard of for long enough needs no waiting for.

use super::guard::Guard;
use super::position::Position;
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

/// An agent's contact as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Contact {
    /// When an authority took up its question, in Unix seconds by that authority's clock.
    pub at: u64,
    /// The place in the feed that the answer spoke of.
    pub position: Position,
}

/// An authority knows less than one that answered this agent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this authority's view ({view}) is older than the one this agent was answered from ({answered}); read the store again"
)]
pub struct Outdated {
    /// The place in the feed that this authority knows of.
    pub view: Position,
    /// The one that the agent was answered from.
    pub answered: Position,
}

/// What an authority has to store before it answers an agent, or nothing while the stored contact is recent enough. `now`
/// (Unix seconds) is read after the question came, `position` is the place in the feed that the answer speaks of,
/// `granularity` is in seconds.
///
/// # Errors
/// [`Outdated`]: no answer may leave on this view.
pub fn contact_to_store(
    stored: Option<Contact>,
    now: u64,
    position: Position,
    granularity: u64,
) -> Result<Option<Contact>, Outdated> {
    contact_to_store_without(stored, now, position, granularity, None)
}

#[doc(hidden)]
pub fn contact_to_store_without(
    stored: Option<Contact>,
    now: u64,
    position: Position,
    granularity: u64,
    removed: Option<Guard>,
) -> Result<Option<Contact>, Outdated> {
    let Some(stored) = stored else {
        return Ok(Some(Contact { at: now, position }));
    };
    if position < stored.position && Guard::AnswersGoForward.stays(removed) {
        return Err(Outdated {
            view: position,
            answered: stored.position,
        });
    }
    let is_recent = now <= stored.at.saturating_add(granularity);
    Ok((!is_recent).then_some(Contact { at: now, position }))
}

/// The contact that a restore at `now` stores for every agent in the backup, in Unix seconds. The backup does not know how long they
/// go on by what they heard since; `leeway` is for authorities of the old cluster, which answer on contacts of their own clock.
pub fn contact_at_restore(now: u64, timing: &Timing) -> u64 {
    contact_at_restore_without(now, timing, None).unwrap_or(now)
}

#[doc(hidden)]
pub fn contact_at_restore_without(
    now: u64,
    timing: &Timing,
    removed: Option<Guard>,
) -> Option<u64> {
    let skew = if Guard::RestoreSkew.stays(removed) {
        timing.leeway
    } else {
        0
    };
    Guard::RestoreCountsAgents
        .stays(removed)
        .then(|| now.saturating_add(skew))
}
