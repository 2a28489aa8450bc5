//! One succession of keys: which numbers are live, and in which state.

use super::invariant::{self, Broken};
use super::refused::Refused;

/// One succession of keys: an epoch line, or the generations of one service's key. It keeps every
/// [`Invariant`](super::Invariant).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line(Parts);

/// A line as it is stored, unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parts {
    /// The greatest number ever used.
    pub last: u32,
    /// What comes next.
    pub prepared: Option<Prepared>,
    /// What is issued.
    pub active: Active,
    /// What was issued before, while leases of it are left.
    pub draining: Option<Draining>,
}

/// A key that agents get, and nobody signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prepared {
    /// Its number.
    pub number: u32,
    /// When it was prepared, in Unix seconds.
    pub since: u64,
    /// Sequence number in the feed of the change that prepared it.
    pub position: u64,
}

/// The key that leases are issued from. It has no end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Active {
    /// Its number.
    pub number: u32,
    /// When it became active, in Unix seconds.
    pub since: u64,
}

/// A key that is checked, and no longer issued from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draining {
    /// Its number.
    pub number: u32,
    /// When its successor became active, in Unix seconds.
    pub since: u64,
    /// No lease of it ends later, by any clock; Unix seconds.
    pub not_after: u64,
}

impl Parts {
    /// The numbers whose keys agents hold, oldest first.
    pub fn live(&self) -> impl Iterator<Item = u32> + use<> {
        self.draining
            .map(|draining| draining.number)
            .into_iter()
            .chain([self.active.number])
            .chain(self.prepared.map(|prepared| prepared.number))
    }
}

impl Line {
    /// A line whose first key, `number` (epochs begin at 1, generations at 0), is active from `now` on (Unix seconds).
    pub fn first(number: u32, now: u64) -> Self {
        Self(Parts {
            last: number,
            prepared: None,
            active: Active { number, since: now },
            draining: None,
        })
    }

    /// The line after a restore from a backup: a fresh number above everything, and all others retired. `above` is the greatest number
    /// that the backup, any agent, any log or the operator has seen.
    ///
    /// # Errors
    /// [`Refused::Exhausted`] if there is no number above.
    pub fn restored(above: u32, now: u64) -> Result<Self, Refused> {
        let number = above.checked_add(1).ok_or(Refused::Exhausted)?;
        Ok(Self::first(number, now))
    }

    /// Takes a line from the store.
    ///
    /// # Errors
    /// [`Broken`] if it does not keep an invariant.
    pub fn from_parts(parts: Parts) -> Result<Self, Broken> {
        invariant::check(&parts)?;
        Ok(Self(parts))
    }

    /// The line as it is stored.
    pub fn parts(&self) -> Parts {
        self.0
    }

    /// The greatest number ever used.
    pub fn last(&self) -> u32 {
        self.0.last
    }

    /// What comes next, if it is made yet.
    pub fn prepared(&self) -> Option<Prepared> {
        self.0.prepared
    }

    /// What is issued.
    pub fn active(&self) -> Active {
        self.0.active
    }

    /// What was issued before, while leases of it are left.
    pub fn draining(&self) -> Option<Draining> {
        self.0.draining
    }

    /// The numbers whose keys agents hold, oldest first.
    pub fn live(&self) -> impl Iterator<Item = u32> + use<> {
        self.0.live()
    }
}
