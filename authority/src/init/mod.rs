//! The first step of a cluster's life: everything is made at once, or nothing is.
//!
//! All files are made in `DIR/.init` and moved into place, `authority.toml` last: no authority starts without it. An `init` that
//! was cut off leaves nothing that starts, and the next one begins anew. What only the first operator has, they keep in between
//! ([`prepare`], then [`Prepared::finish`]): a cluster that nobody could administer never comes to be. A cluster in etcd is
//! there from the moment when its records are, the last but one step.

mod error;
mod place;

use std::path::PathBuf;
use std::sync::Arc;

use cattery_core::ServiceName;
use cattery_core::epoch::Line;
use cattery_proto::v1::{Cluster, Identity};
use zeroize::Zeroizing;

pub use error::InitError;
pub use place::{AUDIT_DIR, STORE_FILE};

use crate::audit::{Action, Audit, ChangeError, Changes, Event};
use crate::ca::{Ca, Cas, FIRST, Issued, RequestedKey, Validity};
use crate::config::{Config, StoreSettings, Unseal};
use crate::records::{
    ClusterRecord, DeviceKeys, EpochRecord, EpochsRecord, FORMAT, FeedRecord, Hex, OperatorDevice,
    OperatorRecord, OperatorState, Record, Role, key,
};
use crate::restore::UNFINISHED;
use crate::rootkeys::fresh_root;
use crate::seal::{self, KeyFile, META_KEY, Passphrase, SealError, SealMeta, Sealer, UnsealMethod};
use crate::store::{Embedded, Etcd, Store, Transaction};
pub(crate) use place::Place;

/// [`ClusterRecord::incarnation`] of a cluster that was never restored.
const FIRST_INCARNATION: u64 = 1;

/// What a new cluster is to be.
pub struct InitOptions {
    /// The authority's directory. Made if it is missing; must not hold a cluster.
    pub dir: PathBuf,
    /// The trust domain of SPIFFE IDs, such as `example.org`.
    pub trust_domain: String,
    /// Where the authority listens, HOST:PORT.
    pub listen: String,
    /// Where clients reach it, HOST:PORT; empty for where it listens.
    pub addresses: Vec<String>,
    /// Where the cluster's state is to be kept.
    pub store: StoreSettings,
    /// What seals the store.
    pub unseal: InitUnseal,
    /// The name of the first operator, who is an admin.
    pub operator: String,
    /// The first operator's certificate request (PKCS #10, DER).
    pub operator_csr: Vec<u8>,
    /// The time, Unix seconds.
    pub now: u64,
}

/// What seals the store of a new cluster.
pub enum InitUnseal {
    /// A key file: made if it is missing, used if it is there.
    KeyFile(PathBuf),
    /// A passphrase, which has to be given at every start.
    Passphrase(Zeroizing<String>),
}

/// A new cluster.
pub struct InitOutcome {
    /// The configuration that was written: the cluster's and the authority's ids among others.
    pub config: Config,
    /// The first operator's certificate, and what they need to use it.
    pub operator: Identity,
}

/// A cluster that is made, and not in place yet. Dropped, it never comes to be.
pub struct Prepared {
    place: Place,
    text: String,
    first: FirstChange,
    outcome: InitOutcome,
}

/// The change that makes the cluster.
struct FirstChange {
    changes: Changes,
    event: Event,
    transaction: Transaction,
}

impl Prepared {
    /// The first operator's certificate, to be kept before [`finish`](Self::finish).
    #[must_use]
    pub fn operator(&self) -> &Identity {
        &self.outcome.operator
    }

    /// Writes its records, and moves it into place.
    ///
    /// # Errors
    ///
    /// [`InitError::File`], [`InitError::Change`], [`InitError::Taken`]; where there is a cluster in etcd all the same,
    /// [`InitError::Unfinished`].
    pub async fn finish(self) -> Result<InitOutcome, InitError> {
        let config = &self.outcome.config;
        self.place.write_config(&self.text)?;
        self.first.make(&config.store).await?;
        self.place.finish().map_err(|error| match &config.store {
            StoreSettings::Embedded => error,
            StoreSettings::Etcd(etcd) => InitError::Unfinished {
                prefix: etcd.prefix.clone(),
                source: Box::new(error),
            },
        })?;
        Ok(self.outcome)
    }
}

/// Makes a cluster: [`prepare`] and [`Prepared::finish`] in one.
///
/// # Errors
///
/// As [`prepare`] and [`Prepared::finish`].
pub async fn initialize(options: InitOptions) -> Result<InitOutcome, InitError> {
    prepare(options).await?.finish().await
}

/// Makes a cluster, all but the last steps.
///
/// # Errors
///
/// [`InitError`]. There is no cluster then; a key file that was made stays, and serves the next try.
pub async fn prepare(options: InitOptions) -> Result<Prepared, InitError> {
    let requested = RequestedKey::from_csr(&options.operator_csr)?;
    let name: ServiceName = options.operator.parse().map_err(InitError::Operator)?;
    let cluster_id = Hex(random()?);
    let (config, text) = configure(&options, cluster_id)?;

    let place = Place::claim(&config.dir)?;
    let (sealer, meta) = make_sealer(options.unseal, cluster_id).await?;
    let ca = Ca::create(&config.trust_domain, options.now)?;
    let device_id = hex::encode(random::<16>()?);
    let validity = Validity::new(options.now, config.operator_certificate_lifetime);
    let issued = ca.issue_operator(&requested, name.as_str(), &device_id, validity)?;

    let store = new_store(&config.store, &place).await?;
    let (audit, dangling) = Audit::open(&place.new_audit(), &config.authority_id)?;
    let changes = Changes::new(store, audit, dangling, FIRST_INCARNATION);
    let event = Event::new(
        options.now.saturating_mul(1000),
        "",
        format!("operator/{name}"),
        Action::ClusterCreated,
        format!("cluster/{cluster_id}"),
    )
    .field("ca_sha256", ca.fingerprint().to_string())
    .field("operator_serial", &issued.serial);
    let operator = operator(name.as_str(), &device_id, &issued, options.now);
    let transaction = first_records(&config, &sealer, &meta, &ca, options.now)?
        .put(key::operator(name.as_str()), operator.encode());
    let first = FirstChange {
        changes,
        event,
        transaction,
    };
    let operator = Identity {
        subject: format!("operator/{name}"),
        device_id,
        certificate: issued.certificate.to_vec(),
        not_after: issued.not_after,
        cluster: Some(Cluster {
            cluster_id: cluster_id.to_string(),
            trust_domain: config.trust_domain.clone(),
            trust_bundle: vec![ca.certificate().to_vec()],
            addresses: match config.addresses.as_slice() {
                [] => vec![config.listen.clone()],
                addresses => addresses.to_vec(),
            },
        }),
    };
    Ok(Prepared {
        place,
        text,
        first,
        outcome: InitOutcome { config, operator },
    })
}

impl FirstChange {
    async fn make(self, store: &StoreSettings) -> Result<(), InitError> {
        let made = self.changes.apply(self.event, self.transaction).await;
        match (made, store) {
            (Err(ChangeError::Conflict { .. }), StoreSettings::Etcd(etcd)) => {
                Err(InitError::Taken {
                    prefix: etcd.prefix.clone(),
                })
            }
            (made, _) => Ok(made.map(drop)?),
        }
    }
}

/// An empty one.
async fn new_store(store: &StoreSettings, place: &Place) -> Result<Arc<dyn Store>, InitError> {
    let StoreSettings::Etcd(etcd) = store else {
        return Ok(Arc::new(Embedded::create(place.new_store())?));
    };
    let store = Etcd::connect(etcd.options()?).await?;
    if !store.list("", None, 1).await?.entries.is_empty() {
        return Err(InitError::Taken {
            prefix: etcd.prefix.clone(),
        });
    }
    Ok(Arc::new(store))
}

/// The configuration and its text, once a start could read it.
fn configure(options: &InitOptions, cluster_id: Hex<16>) -> Result<(Config, String), InitError> {
    let absolute = |path: &PathBuf| {
        std::path::absolute(path).map_err(|source| InitError::File {
            what: "find",
            path: path.clone(),
            source,
        })
    };
    let unseal = match &options.unseal {
        InitUnseal::KeyFile(path) => Unseal::KeyFile(absolute(path)?),
        InitUnseal::Passphrase(_) => Unseal::Passphrase,
    };
    let dir = absolute(&options.dir)?;
    let mut config = Config::new(&dir, cluster_id, &options.trust_domain, unseal);
    config.listen.clone_from(&options.listen);
    config.addresses.clone_from(&options.addresses);
    config.store.clone_from(&options.store);
    let text = config.to_toml();
    Ok((Config::parse(&dir, &text)?, text))
}

async fn make_sealer(
    unseal: InitUnseal,
    cluster_id: Hex<16>,
) -> Result<(Sealer, SealMeta), InitError> {
    let method: Box<dyn UnsealMethod> = match unseal {
        InitUnseal::Passphrase(passphrase) => Box::new(Passphrase::new(passphrase)),
        InitUnseal::KeyFile(path) if path.exists() => Box::new(KeyFile::read(path)?),
        InitUnseal::KeyFile(path) => Box::new(KeyFile::create(path)?),
    };
    let work = move || seal::create(&cluster_id.to_string(), &*method);
    Ok(tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| SealError::Interrupted)??)
}

/// The cluster, its sealing, its CA and its first epoch.
fn first_records(
    config: &Config,
    sealer: &Sealer,
    meta: &SealMeta,
    ca: &Ca,
    now: u64,
) -> Result<Transaction, InitError> {
    let cluster = ClusterRecord {
        cluster_id: config.cluster_id,
        trust_domain: config.trust_domain.clone(),
        incarnation: FIRST_INCARNATION,
        format: FORMAT,
        created_at: now,
    };
    let line = Line::first(1, now);
    let epochs = EpochsRecord {
        line: (&line).into(),
        // Raised by each authority that starts; nobody issues before.
        greatest_lease: 0,
        changed: 1,
    };
    let epoch = EpochRecord {
        number: line.active().number,
        created_at: now,
        activated_at: Some(now),
        not_after: None,
        retired_at: None,
    };
    let feed = FeedRecord {
        sequence: 1,
        cluster_changed: 1,
        awaited: 0,
    };
    let sealed_root = fresh_root(sealer, 1)?;
    Ok(Transaction::new()
        .absent(key::CLUSTER)
        .absent(UNFINISHED)
        .put(key::CLUSTER, cluster.encode())
        .put(META_KEY, meta.encode())
        .put(ca.path(), ca.encode(sealer)?)
        .put(
            key::CAS,
            Cas::first(ca, now).record(FIRST_INCARNATION).encode(),
        )
        .put(key::FEED, feed.encode())
        .put(key::EPOCHS_LIVE, epochs.encode())
        .put(key::epoch(1), epoch.encode())
        .put(key::root(1), sealed_root))
}

pub(crate) fn operator(name: &str, device_id: &str, issued: &Issued, now: u64) -> OperatorRecord {
    OperatorRecord {
        name: name.to_owned(),
        role: Role::Admin,
        state: OperatorState::Active,
        created_at: now,
        device: Some(OperatorDevice {
            id: device_id.to_owned(),
            keys: DeviceKeys::only(issued.key_sha256),
            certificate_not_after: issued.not_after,
            ca: FIRST,
        }),
        invitation: None,
    }
}

fn random<const N: usize>() -> Result<[u8; N], InitError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(SealError::Random)?;
    Ok(bytes)
}
