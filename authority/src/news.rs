//! What agents hear of, as the store had it at one revision: read once for all of them.

mod revoked;

use std::collections::HashMap;

use cattery_core::RevocationKey;
use cattery_core::epoch::{Line, Position};

use crate::ca::{Cas, Leases};
use crate::failure::Failure;
use crate::records::{
    AuthorityRecord, CasRecord, ClusterRecord, EpochsRecord, FeedRecord, LeastVersionRecord,
    NameState, Record, ServiceRecord, key,
};
use crate::store::{Entry, Revision, View};

pub(crate) use revoked::Revoked;

/// Prefixes of all that agents hear of. Every transaction that changes something under them raises the feed's counter, but for those that
/// remove what is over.
pub(crate) const PREFIXES: [&str; 5] = [
    "meta/",
    key::SERVICES,
    key::AUTHORITIES,
    key::LEAST_VERSIONS,
    key::REVOKED,
];

/// What agents hear of.
pub(crate) struct News {
    /// How far it goes.
    pub(crate) position: Position,
    pub(crate) epochs: Line,
    pub(crate) epochs_revision: Revision,
    epochs_changed: u64,
    /// That any authority may issue from the active epoch, seconds.
    pub(crate) greatest_lease: u64,
    services: HashMap<String, ServiceNews>,
    /// The latest changed last.
    least_versions: Vec<LeastVersionRecord>,
    /// What was revoked by id.
    pub(crate) revoked: Revoked,
    /// Somebody waits until agents have what was told up to there.
    awaited: u64,
    /// HOST:PORT of every authority.
    pub(crate) addresses: Vec<String>,
    /// The CAs to trust.
    pub(crate) cas: Cas,
    cluster_changed: u64,
}

/// What the agents of one service hear of.
pub(crate) struct ServiceNews {
    pub(crate) record: ServiceRecord,
    pub(crate) generations: Line,
    pub(crate) revision: Revision,
}

impl News {
    /// Reads what the store had; `before` is what was read last.
    pub(crate) fn read(
        view: &View,
        revocation_key: &RevocationKey,
        before: Option<&Self>,
    ) -> Result<Self, Failure> {
        let before = before.map(|before| &before.revoked);
        let nothing = Revoked::default();
        let revoked = Revoked::read(view, revocation_key, before.unwrap_or(&nothing))?;
        let (cluster, _) = one::<ClusterRecord>(view, key::CLUSTER)?;
        let (feed, _) = one::<FeedRecord>(view, key::FEED)?;
        let (epochs, epochs_revision) = one::<EpochsRecord>(view, key::EPOCHS_LIVE)?;
        let mut services = HashMap::new();
        for (record, revision) in all::<ServiceRecord>(view, key::SERVICES)? {
            let generations = record.keys.to_line()?;
            let service = ServiceNews {
                generations,
                revision,
                record,
            };
            services.insert(service.record.name.clone(), service);
        }
        let mut least_versions: Vec<_> = all::<LeastVersionRecord>(view, key::LEAST_VERSIONS)?
            .into_iter()
            .map(|(record, _)| record)
            .collect();
        least_versions.sort_by_key(|least| least.changed);
        let addresses = all::<AuthorityRecord>(view, key::AUTHORITIES)?
            .into_iter()
            .flat_map(|(record, _)| record.addresses)
            .collect();
        Ok(Self {
            position: Position {
                incarnation: cluster.incarnation,
                sequence: feed.sequence,
            },
            epochs_changed: epochs.changed,
            greatest_lease: epochs.greatest_lease,
            epochs: epochs.line.to_line()?,
            epochs_revision,
            services,
            least_versions,
            revoked,
            awaited: feed.awaited,
            addresses,
            cas: Cas::read(&one::<CasRecord>(view, key::CAS)?.0, cluster.incarnation)?,
            cluster_changed: feed.cluster_changed,
        })
    }

    /// The leases that may be out.
    pub(crate) fn leases(&self) -> Leases {
        Leases::of(&self.epochs, self.greatest_lease)
    }

    /// A service that is in use.
    pub(crate) fn service(&self, name: &str) -> Option<&ServiceNews> {
        let service = self.services.get(name);
        service.filter(|service| service.record.state == NameState::Active)
    }

    /// The newest epoch and generation that an agent of the service holds who confirmed all up to that place; 0 and 0 for nothing.
    pub(crate) fn newest_held(&self, service: &str, acknowledged: u64) -> (u32, u32) {
        let newest = |line: &Line, changed: u64| match line.prepared() {
            Some(prepared) if prepared.position <= acknowledged => Some(prepared.number),
            // It was active before the other one was prepared.
            Some(_) => Some(line.active().number),
            None => (changed <= acknowledged).then_some(line.active().number),
        };
        self.service(service)
            .filter(|_| acknowledged > 0)
            .and_then(|service| {
                let epoch = newest(&self.epochs, self.epochs_changed)?;
                Some((epoch, newest(&service.generations, service.record.changed)?))
            })
            .unwrap_or((0, 0))
    }

    /// All services that are in use.
    pub(crate) fn services(&self) -> impl Iterator<Item = &ServiceNews> {
        let all = self.services.values();
        all.filter(|service| service.record.state == NameState::Active)
    }

    /// Revocations after that place.
    pub(crate) fn least_versions_since(&self, sequence: u64) -> &[LeastVersionRecord] {
        let known = self
            .least_versions
            .partition_point(|least| least.changed <= sequence);
        &self.least_versions[known..]
    }

    /// Whether the keys of the service, or what they are good for, changed after that place.
    pub(crate) fn keys_changed_since(&self, service: &ServiceNews, sequence: u64) -> bool {
        self.epochs_changed > sequence || service.record.changed > sequence
    }

    /// Whether somebody waits until agents have heard of something after that place, be it about them or not.
    pub(crate) fn is_awaited_after(&self, sequence: u64) -> bool {
        self.awaited > sequence
    }

    /// Whether it matters to somebody that an agent of the service, which confirmed all up to `before`, has confirmed all up to `now`. Only then
    /// is that worth a write: most changes are told to every agent, and nobody waits for them.
    pub(crate) fn is_worth_noting(&self, service: &ServiceNews, before: u64, now: u64) -> bool {
        let prepared = |line: &Line| line.prepared().map_or(0, |prepared| prepared.position);
        let places = [
            // Anything at all.
            1,
            self.epochs_changed,
            prepared(&self.epochs),
            service.record.changed,
            prepared(&service.generations),
            prepared(&self.cas.line),
            self.awaited,
        ];
        places
            .into_iter()
            .any(|place| before < place && place <= now)
    }

    /// Whether the addresses or the trust bundle changed after that place.
    pub(crate) fn cluster_changed_since(&self, sequence: u64) -> bool {
        self.cluster_changed > sequence
    }
}

fn one<R: Record>(view: &View, key: &str) -> Result<(R, Revision), Failure> {
    let entry = view.entries.get(key);
    read(entry.ok_or(Failure::Broken("the store lacks what every cluster has"))?)
}

fn all<R: Record>(view: &View, prefix: &str) -> Result<Vec<(R, Revision)>, Failure> {
    view.entries
        .range(prefix.to_owned()..)
        .take_while(|(key, _)| key.starts_with(prefix))
        .map(|(_, entry)| read(entry))
        .collect()
}

fn read<R: Record>(entry: &Entry) -> Result<(R, Revision), Failure> {
    Ok((R::decode(&entry.key, &entry.value)?, entry.revision))
}
