//! An open authority: everything that its calls share.

use std::sync::Arc;

use cattery_proto::v1;
use tokio::sync::{Mutex, watch};

use crate::ca::Ca;
use crate::config::Config;
use crate::records::ClusterRecord;
use crate::registry::{Lifetimes, Registry};
use crate::rootkeys::RootKeys;

/// An open authority.
pub(crate) struct Authority {
    pub(crate) config: Config,
    pub(crate) cluster: ClusterRecord,
    pub(crate) ca: Ca,
    pub(crate) registry: Registry,
    pub(crate) root_keys: RootKeys,
    /// HOST:PORT, what clients are told.
    pub(crate) addresses: Vec<String>,
    /// When this authority's own certificate ends, Unix seconds.
    pub(crate) certificate_not_after: watch::Receiver<u64>,
    /// Whether the store or the audit log did not do what a call needed, and has not done anything since.
    pub(crate) trouble: watch::Sender<bool>,
    /// Held by the one who reads all of the audit log.
    pub(crate) verifying: Mutex<()>,
}

impl Authority {
    /// What every client keeps.
    pub(crate) fn describe(&self) -> v1::Cluster {
        v1::Cluster {
            cluster_id: self.cluster.cluster_id.to_string(),
            trust_domain: self.cluster.trust_domain.clone(),
            trust_bundle: vec![self.ca.certificate().to_vec()],
            addresses: self.addresses.clone(),
        }
    }

    pub(crate) fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            agent: self.config.agent_certificate_lifetime,
            operator: self.config.operator_certificate_lifetime,
        }
    }
}

/// As the services hold it.
pub(crate) type Shared = Arc<Authority>;
