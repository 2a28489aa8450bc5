use std::fmt;

use super::guard::Guard;

/// A place in the feed of changes that agents hear of. A restore counts before everything that happened before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Counts restores of the cluster.
    pub incarnation: u64,
    /// Counts changes.
    pub sequence: u64,
}

impl Position {
    /// Whether an agent with this mark takes keys as of `offered`: nothing below what it ever held.
    pub fn accepts(self, offered: Self) -> bool {
        self.accepts_without(offered, None)
    }

    #[doc(hidden)]
    pub fn accepts_without(self, offered: Self, removed: Option<Guard>) -> bool {
        if !Guard::MarkNeverFalls.stays(removed) {
            return true;
        }
        if !Guard::IncarnationFirst.stays(removed) {
            return offered.sequence >= self.sequence;
        }
        offered >= self
    }

    /// Whether an answer as of `answered` renews the outage budget of an agent that holds the keys of this position: it does
    /// not if they lack something, nor if they are of another incarnation.
    pub fn is_renewed_by(self, answered: Self) -> bool {
        self.is_renewed_by_without(answered, None)
    }

    #[doc(hidden)]
    pub fn is_renewed_by_without(self, answered: Self, removed: Option<Guard>) -> bool {
        !Guard::HoldsWhatItHeard.stays(removed)
            || (answered.incarnation == self.incarnation && answered.sequence <= self.sequence)
    }

    /// What an agent's acknowledgement of this position is worth in `incarnation`: its sequence number, or 0 (nothing) if it speaks
    /// of another one.
    pub fn sequence_in(self, incarnation: u64) -> u64 {
        self.sequence_in_without(incarnation, None)
    }

    #[doc(hidden)]
    pub fn sequence_in_without(self, incarnation: u64, removed: Option<Guard>) -> u64 {
        if self.incarnation == incarnation || !Guard::AcknowledgedHere.stays(removed) {
            self.sequence
        } else {
            0
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "incarnation {}, sequence {}",
            self.incarnation, self.sequence
        )
    }
}
