//! What holds for every line, and between a line and the next: named, so that tests and production mean the same.

use std::fmt;

use super::line::Parts;

/// A property that nothing may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invariant {
    /// draining < active < prepared ≤ last: at most one number is in each state, and no number in two.
    OrderOfNumbers,
    /// From a line to the next, the greatest number used and the active number never fall, and a number that was not live
    /// is above all that were ever used.
    NumbersOnlyGoUp,
    /// No lease of a draining number ends after its not_after.
    LeaseWithinEpoch,
}

/// A line that breaks an invariant: damaged in the store, or a mistake in this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the epochs {parts:?} break the invariant {invariant}; restore the store from a backup")]
pub struct Broken {
    /// Which one.
    pub invariant: Invariant,
    /// The line.
    pub parts: Parts,
}

impl Invariant {
    /// [`OrderOfNumbers`](Self::OrderOfNumbers).
    pub fn numbers_in_order(parts: &Parts) -> bool {
        parts.live().is_sorted_by(|older, newer| older < newer)
            && parts.live().all(|number| number <= parts.last)
    }

    /// [`NumbersOnlyGoUp`](Self::NumbersOnlyGoUp), from one line to the next.
    pub fn numbers_go_up(from: &Parts, to: &Parts) -> bool {
        let fresh_or_kept = |number| number > from.last || from.live().any(|live| live == number);
        from.last <= to.last
            && from.active.number <= to.active.number
            && to.live().all(fresh_or_kept)
    }

    /// [`LeaseWithinEpoch`](Self::LeaseWithinEpoch), for one lease of `number` that ends at `lease_end` (Unix seconds).
    pub fn lease_within_epoch(parts: &Parts, number: u32, lease_end: u64) -> bool {
        parts
            .draining
            .is_none_or(|draining| draining.number != number || lease_end <= draining.not_after)
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OrderOfNumbers => "OrderOfNumbers",
            Self::NumbersOnlyGoUp => "NumbersOnlyGoUp",
            Self::LeaseWithinEpoch => "LeaseWithinEpoch",
        })
    }
}

pub(super) fn check(parts: &Parts) -> Result<(), Broken> {
    if Invariant::numbers_in_order(parts) {
        return Ok(());
    }
    Err(Broken {
        invariant: Invariant::OrderOfNumbers,
        parts: *parts,
    })
}

pub(super) fn check_next(from: &Parts, to: &Parts) -> Result<(), Broken> {
    if Invariant::numbers_go_up(from, to) {
        return Ok(());
    }
    Err(Broken {
        invariant: Invariant::NumbersOnlyGoUp,
        parts: *to,
    })
}
