//! Places in what a cluster tells its agents.

use std::fmt;

use cattery_proto::v1;

/// A place: a later restore of the cluster counts before a later change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Counts restores of the cluster.
    pub(crate) incarnation: u64,
    /// Counts changes within an incarnation.
    pub(crate) sequence: u64,
}

impl From<v1::Position> for Position {
    fn from(position: v1::Position) -> Self {
        Self {
            incarnation: position.incarnation,
            sequence: position.sequence,
        }
    }
}

impl From<Position> for v1::Position {
    fn from(position: Position) -> Self {
        Self {
            incarnation: position.incarnation,
            sequence: position.sequence,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (incarnation, sequence) = (self.incarnation, self.sequence);
        write!(f, "incarnation {incarnation}, sequence {sequence}")
    }
}
