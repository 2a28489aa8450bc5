//! An open authority: everything that its calls share.

use std::sync::Arc;
use std::time::Duration;

use cattery_core::epoch::{Line, Timing};
use cattery_proto::v1;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, watch};

use crate::behind::Behind;
use crate::bulletin::Bulletin;
use crate::config::Config;
use crate::failure::Failure;
use crate::finding::Finding;
use crate::meters::Meters;
use crate::news::News;
use crate::records::ClusterRecord;
use crate::registry::{Lifetimes, Limits, Registry, Turns};
use crate::rootkeys::RootKeys;
use crate::seal::Sealer;
use crate::signers::Signers;
use crate::standing::Standing;
use crate::store::Store;

/// How long an authority's own certificate is good for. A week: it lives in memory alone, so every start makes a new one anyway.
pub(crate) const OWN_CERTIFICATE: Duration = Duration::from_secs(7 * 24 * 3600);
/// An automatic rotation comes up to this part of the period late, so that clusters do not rotate all at once.
const JITTER: u64 = 20;
/// It is overdue when it is later than this part of the period, and than [`LEAST_SLACK`].
const SLACK: u64 = 10;
/// Seconds.
const LEAST_SLACK: u64 = 60;

/// An open authority.
pub(crate) struct Authority {
    pub(crate) config: Config,
    pub(crate) cluster: ClusterRecord,
    pub(crate) signers: Signers,
    pub(crate) registry: Registry,
    pub(crate) root_keys: RootKeys,
    pub(crate) bulletin: Bulletin,
    pub(crate) limits: Limits,
    /// When this authority's own certificate ends, Unix seconds.
    pub(crate) certificate_not_after: watch::Receiver<u64>,
    /// How the store or the audit log did not do what a call needed, where it has not done anything since.
    pub(crate) trouble: watch::Sender<Option<String>>,
    /// What the watchdog found.
    pub(crate) finding: watch::Sender<Finding>,
    /// Agents that hold what the store does not have.
    pub(crate) behind: Behind,
    pub(crate) meters: Arc<Meters>,
    /// Held by the one who reads all of the audit log.
    pub(crate) verifying: Mutex<()>,
    /// What backups are made of.
    pub(crate) backups: Backups,
    /// Where this one is reached, HOST:PORT.
    pub(crate) own_addresses: Vec<String>,
}

/// What backups are made of.
pub(crate) struct Backups {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealer: Arc<Sealer>,
    /// Held by the one who takes one.
    pub(crate) taking: Mutex<()>,
}

impl Authority {
    /// What every client keeps.
    pub(crate) fn describe(&self, news: &News) -> v1::Cluster {
        v1::Cluster {
            cluster_id: self.cluster.cluster_id.to_string(),
            trust_domain: self.cluster.trust_domain.clone(),
            trust_bundle: news.cas.bundle(),
            addresses: news.addresses.clone(),
        }
    }

    /// The same, by what was known last.
    pub(crate) fn describe_now(&self) -> Result<v1::Cluster, Failure> {
        Ok(self.describe(&*self.bulletin.latest()?))
    }

    /// What the CAs' turns are reckoned with.
    pub(crate) fn turns(&self) -> Turns {
        Turns {
            timing: *self.timing(),
            ca_lifetime: self.config.ca_lifetime,
            authority_lifetime: OWN_CERTIFICATE,
            recovery: self.config.agent_recovery_window,
        }
    }

    /// HOST:PORT of every authority.
    pub(crate) fn addresses(&self) -> Vec<String> {
        match self.bulletin.latest() {
            Ok(news) => news.addresses.clone(),
            Err(_) => self.own_addresses.clone(),
        }
    }

    pub(crate) fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            agent: self.config.agent_certificate_lifetime,
            operator: self.config.operator_certificate_lifetime,
        }
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.limits.timing
    }

    pub(crate) fn standing(&self) -> &Standing {
        self.registry.standing()
    }

    /// How long an epoch is active, seconds; `None` where rotation is not automatic. A part of it is random, and the same for
    /// every authority.
    pub(crate) fn rotation_period_of(&self, epochs: &Line) -> Option<u64> {
        let period = self.config.rotation_period?.as_secs();
        let digest = Sha256::new()
            .chain_update(self.cluster.cluster_id.0)
            .chain_update(epochs.active().number.to_be_bytes())
            .finalize();
        let jitter = period / JITTER * u64::from(digest[0]) / u64::from(u8::MAX);
        Some(period.saturating_add(jitter))
    }

    /// Whether the automatic rotation is later than it should be.
    pub(crate) fn is_overdue(&self, epochs: &Line, now: u64) -> bool {
        self.rotation_period_of(epochs).is_some_and(|period| {
            let slack = (period / SLACK).max(LEAST_SLACK);
            epochs.rotation_due_at(period).saturating_add(slack) < now
        })
    }

    /// What an operator has to look after.
    pub(crate) fn warnings(&self, news: &News, overdue: bool, now: u64) -> Vec<String> {
        let mut warnings = Vec::new();
        if overdue {
            warnings.push(
                "the rotation of the root keys is overdue: `cattery epoch rotate --wait` shows what it waits for"
                    .to_owned(),
            );
        }
        warnings.extend(self.behind.warning());
        if self
            .turns()
            .rollover(&news.cas, news.leases())
            .is_urgent(now)
        {
            warnings.push(
                "the CA that signs ends soon, and the next one has not taken over: `cattery ca show` shows what it waits for"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// As the services hold it.
pub(crate) type Shared = Arc<Authority>;
