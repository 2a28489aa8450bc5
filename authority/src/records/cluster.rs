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

/// `authority/ID`: an authority of the cluster, whether it runs or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityRecord {
    /// Its id.
    pub id: String,
    /// HOST:PORT where clients reach it.
    pub addresses: Vec<String>,
    /// When it last started.
    pub started_at: u64,
}
