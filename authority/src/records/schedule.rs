use cattery_core::epoch::{Active, Broken, Draining, Line, Parts, Prepared};
use serde::{Deserialize, Serialize};

/// `meta/epochs`: the root keys that are live. Each change of it is one compare-and-swap. The keys themselves are sealed under
/// [`key::root`](super::key::root).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochsRecord {
    /// Where each of them is in its life.
    pub line: LineRecord,
    /// The greatest lease that any authority may issue from the active epoch, seconds. Never lowered while that is active, since leases of
    /// that length may be out.
    pub greatest_lease: u64,
    /// [`FeedRecord::sequence`] of the last change.
    pub changed: u64,
}

/// The keys of a cluster or of a service that are live, by number: a [`Line`] of the core, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRecord {
    /// The greatest number that was ever given out.
    pub last: u32,
    /// Agents get it; nobody signs with it.
    #[serde(default)]
    pub prepared: Option<PreparedRecord>,
    /// Keys are issued from it.
    pub active: ActiveRecord,
    /// Checked, no longer issued.
    #[serde(default)]
    pub draining: Option<DrainingRecord>,
}

/// A prepared key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedRecord {
    /// Its number.
    pub number: u32,
    /// When it was made.
    pub since: u64,
    /// [`FeedRecord::sequence`] of the change that made it: agents that confirmed this place hold it.
    pub position: u64,
}

/// The active key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveRecord {
    /// Its number.
    pub number: u32,
    /// When it became active.
    pub since: u64,
}

/// A draining key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainingRecord {
    /// Its number.
    pub number: u32,
    /// When it began to drain.
    pub since: u64,
    /// When its last lease ends at the latest.
    pub not_after: u64,
}

/// `meta/feed`: counts what agents hear of. Every transaction that changes something of it raises the number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedRecord {
    /// Only goes up within an incarnation.
    pub sequence: u64,
    /// The sequence of the last change of the addresses or the trust bundle.
    pub cluster_changed: u64,
    /// The greatest sequence that somebody waits for until agents have it: acknowledgements of it are noted.
    #[serde(default)]
    pub awaited: u64,
}

/// `epoch/NNNNNNNNNN`: what is remembered of one epoch, for people. Where it is in its life says [`EpochsRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number, from 1.
    pub number: u32,
    /// When it was made.
    pub created_at: u64,
    /// When it became active; `None` before that.
    #[serde(default)]
    pub activated_at: Option<u64>,
    /// When its last lease ends; `None` until it drains.
    #[serde(default)]
    pub not_after: Option<u64>,
    /// When it was retired.
    #[serde(default)]
    pub retired_at: Option<u64>,
}

impl LineRecord {
    /// The line of the core.
    ///
    /// # Errors
    /// What is stored is no line: the store is damaged.
    pub fn to_line(&self) -> Result<Line, Broken> {
        Line::from_parts(Parts {
            last: self.last,
            prepared: self.prepared.as_ref().map(|prepared| Prepared {
                number: prepared.number,
                since: prepared.since,
                position: prepared.position,
            }),
            active: Active {
                number: self.active.number,
                since: self.active.since,
            },
            draining: self.draining.as_ref().map(|draining| Draining {
                number: draining.number,
                since: draining.since,
                not_after: draining.not_after,
            }),
        })
    }
}

impl From<&Line> for LineRecord {
    fn from(line: &Line) -> Self {
        Self {
            last: line.last(),
            prepared: line.prepared().map(|prepared| PreparedRecord {
                number: prepared.number,
                since: prepared.since,
                position: prepared.position,
            }),
            active: ActiveRecord {
                number: line.active().number,
                since: line.active().since,
            },
            draining: line.draining().map(|draining| DrainingRecord {
                number: draining.number,
                since: draining.since,
                not_after: draining.not_after,
            }),
        }
    }
}
