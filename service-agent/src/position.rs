//! Places in what a cluster tells its agents.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// What the authorities were told last that this service's verifiers hold, for whoever shows it.
#[derive(Default)]
pub(crate) struct Acknowledged {
    /// Place in the feed; 0 before anything was.
    sequence: AtomicU64,
    /// The newest epoch whose key that includes.
    epoch: AtomicU64,
}

impl Acknowledged {
    pub(crate) fn set(&self, position: Position, newest_epoch: u32) {
        self.sequence.store(position.sequence, Ordering::Relaxed);
        self.epoch.store(newest_epoch.into(), Ordering::Relaxed);
    }

    /// (sequence, newest epoch), once anything was.
    pub(crate) fn get(&self) -> Option<(u64, u64)> {
        let epoch = self.epoch.load(Ordering::Relaxed);
        (epoch > 0).then(|| (self.sequence.load(Ordering::Relaxed), epoch))
    }
}
