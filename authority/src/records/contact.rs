use cattery_core::epoch::{Contact, Position};
use serde::{Deserialize, Serialize};

/// `contact/ID`: what authorities know of an agent that is alive. It is written before keys or the answer to a beat leave, and rests on
/// what the agent is told: so whoever reads these records after the epochs finds every agent that may hold less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRecord {
    /// The agent's id.
    pub agent: String,
    /// Its service.
    pub service: String,
    /// [`ServiceRecord::registration`](super::ServiceRecord::registration) of that.
    pub registration: u32,
    /// When an authority last heard from it, as coarse as [`granularity`] of its budget.
    pub last_contact: u64,
    /// How long it goes on without an answer, seconds.
    pub outage_budget: u64,
    /// The cluster's incarnation that `told` and `acknowledged` are about.
    pub incarnation: u64,
    /// It was answered from what the store had at this [`FeedRecord::sequence`](super::FeedRecord::sequence), or from something newer.
    pub told: u64,
    /// It confirmed to hold all up to this [`FeedRecord::sequence`](super::FeedRecord::sequence), or to something behind that for which nobody
    /// waits; 0 for nothing.
    pub acknowledged: u64,
    /// The keys that the audit log says were handed to it: `incarnation/epoch.generation` for each.
    pub handed_out: Vec<String>,
    /// Its version.
    pub version: String,
}

impl ContactRecord {
    /// As the rules of the core have it.
    pub fn contact(&self) -> Contact {
        Contact {
            at: self.last_contact,
            position: Position {
                incarnation: self.incarnation,
                sequence: self.told,
            },
        }
    }

    /// When an authority last heard from it; 0 for one that a restore only supposes to be alive.
    pub fn last_heard(&self) -> u64 {
        if self.handed_out.is_empty() {
            0
        } else {
            self.last_contact
        }
    }

    /// What it confirmed to hold in this incarnation.
    pub fn acknowledged_in(&self, incarnation: u64) -> u64 {
        if self.incarnation == incarnation {
            self.acknowledged
        } else {
            0
        }
    }
}

/// How stale [`ContactRecord::last_contact`] may be before it is written again, seconds: so coarse that agents cost the store next to
/// nothing, and fine beside their outage budget, which it lengthens for those who wait for an agent that is gone.
pub fn granularity(outage_budget: u64) -> u64 {
    (outage_budget / 16).clamp(1, 600)
}
