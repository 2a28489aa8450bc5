use serde::{Deserialize, Serialize};

use super::Hex;

/// `meta/cluster`: what this cluster is. Written once, by `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// Random, 16 bytes: tells clusters apart.
    pub cluster_id: Hex<16>,
    /// The trust domain of SPIFFE IDs.
    pub trust_domain: String,
    /// Counts restores; only goes up.
    pub incarnation: u64,
    /// [`FORMAT`](super::FORMAT) of the version that made the store.
    pub format: u32,
    /// When `init` made it.
    pub created_at: u64,
}

/// `epoch/NNNNNNNNNN`: one root key's life. The key itself is sealed under [`key::root`](super::key::root).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number, from 1.
    pub number: u32,
    /// Where it is.
    pub state: EpochState,
    /// When it was made.
    pub created_at: u64,
    /// When it became active; `None` before that.
    pub activated_at: Option<u64>,
    /// When its last lease ends; `None` until it is draining.
    pub not_after: Option<u64>,
}

/// Where an epoch is in its life (DESIGN section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpochState {
    /// Agents get the key; nobody signs with it.
    Prepared,
    /// User keys are issued from it.
    Active,
    /// Checked, no longer issued.
    Draining,
    /// Its root key is gone.
    Retired,
}

impl EpochState {
    /// Whether agents hold its key.
    pub fn is_live(self) -> bool {
        self != Self::Retired
    }
}
