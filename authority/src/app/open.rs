//! From a directory to an open authority, in the one order that is safe.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cattery_sdk::systemd::HandedSockets;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use tonic::async_trait;
use tonic_health::server::HealthReporter;
use zeroize::Zeroizing;

use super::identity::Identity;
use super::listen::{self, Port};
use super::socket::{Removed, beside};
use super::{
    ADDRESS_FILE, StartError, Stop, handed_over, health, leader, membership, store, watchdog,
};
use crate::act::{Act, now_ms};
use crate::audit::{Action, Audit, AuditError, ChangeError, Changes};
use crate::behind::Behind;
use crate::bulletin::Bulletin;
use crate::cluster::{Authority, Backups};
use crate::config::{Config, StoreSettings};
use crate::failure::{Failure, chain};
use crate::finding::Finding;
use crate::init::AUDIT_DIR;
use crate::meters::Meters;
use crate::metrics::{self, Metrics, Opened};
use crate::readiness::Readiness;
use crate::records::{ClusterRecord, FORMAT, Record as _, key};
use crate::registry::{Limits, Registry, decide};
use crate::rootkeys::RootKeys;
use crate::rpc;
use crate::seal::{self, Passphrase, Sealer, UnsealMethod};
use crate::signers::Signers;
use crate::standing::Standing;
use crate::store::{Revision, Store, Transaction};
use crate::timing::timing;
use crate::tls;

/// How long another process may take to let go of the store and the log: one that is being replaced, say.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// How many records, in time, could be cut off the audit log unnoticed: those since the last mark that are no changes.
const MARK_INTERVAL: Duration = Duration::from_secs(60);

/// All that can be had while the authority is sealed.
pub(super) struct Opener {
    config: Config,
    cluster: ClusterRecord,
    store: Arc<dyn Store>,
    health: HealthReporter,
    stop: Stop,
    tasks: TaskTracker,
    local_addr: SocketAddr,
    metrics_addr: Option<SocketAddr>,
    meters: Arc<Meters>,
    readiness: Readiness,
    addresses: Vec<String>,
    port: Mutex<Port>,
    open: watch::Sender<bool>,
    standing: Arc<Standing>,
}

impl Opener {
    /// Takes the store and the port of this configuration, and checks that all belongs together.
    pub(super) async fn new(
        config: Config,
        stop: Stop,
        tasks: TaskTracker,
        handed: &mut HandedSockets,
    ) -> Result<Self, StartError> {
        let meters = Arc::<Meters>::default();
        let store = store::open(&config, &stop, &tasks, meters.store.clone()).await?;
        let cluster = check_cluster(&config, &*store).await?;
        let port = match handed_over::listen(handed)? {
            Some(port) => port,
            None => Port::take(&config.listen).await?,
        };
        let local_addr = port.local_addr();
        let opened = Opened::default();
        let readiness = Readiness::new(&config, opened.clone());
        let metrics = Metrics::new(cluster.incarnation, opened, meters.clone());
        let metrics_addr = match handed_over::metrics(handed)? {
            None => listen_for_metrics(&config)?,
            handed => handed,
        };
        let metrics_addr = metrics_addr.map(|(listener, address)| {
            let served = metrics::serve(listener, metrics, readiness.clone(), stop.drain.clone());
            tasks.spawn(served);
            tracing::info!("metrics at http://{address}/metrics");
            address
        });
        // Of an authority that was killed.
        drop(Removed::new(config.dir.join(ADDRESS_FILE)));
        let health = HealthReporter::new();
        rpc::report(&health, false).await;
        Ok(Self {
            addresses: advertised(&config, local_addr)?,
            config,
            cluster,
            store,
            health,
            stop,
            tasks,
            local_addr,
            metrics_addr,
            meters,
            readiness,
            port: Mutex::new(port),
            open: watch::Sender::new(false),
            standing: Arc::default(),
        })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(super) fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    pub(super) fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    pub(super) fn dir(&self) -> &Path {
        &self.config.dir
    }

    pub(super) fn health(&self) -> &HealthReporter {
        &self.health
    }

    /// Nobody who connects has to wait for a passphrase.
    pub(super) async fn stay_sealed(&self) {
        self.port.lock().await.seal(&self.tasks);
    }

    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.open.subscribe()
    }

    /// Unseals the store and serves. Does nothing when it is open; when it fails, it can be tried again.
    pub(super) async fn open(&self, method: impl UnsealMethod + 'static) -> Result<(), StartError> {
        let mut port = self.port.lock().await;
        if *self.open.borrow() {
            return Ok(());
        }
        let store = self.store.clone();
        let sealer = Arc::new(seal::unseal(&*store, method).await?);
        let found = store.commit(Transaction::new()).await?;
        // Before the log is looked at: another process of the same id may be writing to it.
        let seat = membership::join(&*store, &self.config.authority_id).await?;
        let session_ended = seat.session.ended();
        self.standing.set(Some(seat));
        let opened = self
            .serve(&mut port, found, store, sealer, session_ended)
            .await;
        if opened.is_err() {
            self.standing.leave().await;
        }
        opened
    }

    async fn serve(
        &self,
        port: &mut Port,
        found: Revision,
        store: Arc<dyn Store>,
        sealer: Arc<Sealer>,
        session_ended: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), StartError> {
        let signers = Signers::new(store.clone(), sealer.clone());
        let changes = self.open_audit(found).await?;
        let audit = changes.audit().clone();
        let incarnation = self.cluster.incarnation;
        let registry = Registry::new(store.clone(), changes.clone(), incarnation)
            .resting_on(self.standing.clone());
        let id = &self.config.authority_id;
        let identity = Identity::issue(&registry, &signers, id).await?;
        let act = Act::new(String::new(), format!("authority/{id}"));
        let lease = self.config.max_lease.as_secs();
        decide(|| registry.allow_lease(&act, lease)).await?;
        decide(|| registry.announce(&act, id, &self.addresses)).await?;
        let revocation_key = seal::revocation_key(&sealer, incarnation)?;
        let authority = Arc::new(Authority {
            registry,
            root_keys: RootKeys::new(store.clone(), sealer.clone()),
            bulletin: Bulletin::start(store.clone(), revocation_key).await?,
            limits: Limits {
                timing: timing(self.config.leeway),
                max_lease: lease,
            },
            config: self.config.clone(),
            cluster: self.cluster.clone(),
            own_addresses: self.addresses.clone(),
            certificate_not_after: identity.not_after(),
            trouble: watch::Sender::new(None),
            finding: watch::Sender::new(Finding::NOTHING),
            behind: Behind::default(),
            meters: self.meters.clone(),
            verifying: Mutex::default(),
            backups: Backups {
                store: store.clone(),
                sealer: sealer.clone(),
                taking: Mutex::default(),
            },
            signers,
        });
        self.check_epochs(&authority).await?;
        let started = act
            .event(Action::AuthorityStarted, act.actor.as_str())
            .field("version", env!("CARGO_PKG_VERSION"));
        audit.append(started).await?;

        let listener = port.open().await?;
        let address_file = match self.write_address() {
            Ok(file) => file,
            Err(error) => {
                port.wait(listener);
                return Err(error);
            }
        };
        let incoming = tls::incoming(
            listener,
            identity.config(),
            self.cluster.trust_domain.clone(),
            &self.stop,
        );
        rpc::report(&self.health, true).await;
        self.open.send_replace(true);
        // It is opened once.
        self.readiness.opened(authority.clone());
        tracing::info!(
            cluster = %self.cluster.cluster_id,
            authority = self.config.authority_id,
            "listening on {}", self.local_addr
        );
        let minded = authority.clone();
        let went_back = async move { minded.bulletin.mind().await };
        self.stop.with(&self.tasks, "what the store has", went_back);
        self.spawn_marks(changes.clone(), authority.clone());
        self.spawn_health(changes.clone(), authority.clone());
        self.spawn_leader(authority.clone(), store, session_ended);
        self.spawn_renewal(identity, authority.clone());
        self.spawn_server(authority, incoming, address_file, changes);
        Ok(())
    }

    async fn open_audit(&self, found: Revision) -> Result<Changes, StartError> {
        let (dir, id) = (
            self.config.dir.join(AUDIT_DIR),
            self.config.authority_id.clone(),
        );
        let in_use = |error: &AuditError| matches!(error, AuditError::InUse { .. });
        let (audit, dangling) = patiently(move || Audit::open(&dir, &id), in_use).await?;
        self.stop.with(&self.tasks, "the audit log", audit.ended());
        let changes = Changes::new(
            self.store.clone(),
            audit,
            dangling,
            self.cluster.incarnation,
        );
        changes.found_at(found);
        if self.config.store == StoreSettings::Embedded {
            changes.expect_alone().await?;
        }
        if self.config.accept_audit_loss {
            changes.settle_accepting_loss(now_ms()).await?;
        } else {
            changes.settle(now_ms()).await?;
        }
        Ok(changes)
    }

    /// An authority that cannot issue must not say that it serves.
    async fn check_epochs(&self, authority: &Authority) -> Result<(), StartError> {
        let epochs = authority.registry.live_epochs().await?;
        for epoch in epochs.record.line.to_line().map_err(Failure::from)?.live() {
            authority.root_keys.load(epoch).await?;
        }
        Ok(())
    }

    fn write_address(&self) -> Result<Removed, StartError> {
        let path = self.config.dir.join(ADDRESS_FILE);
        let line = format!("{}\n", self.local_addr);
        beside(&path, "addr.new", |new| std::fs::write(new, line)).map_err(|source| {
            StartError::File {
                path: path.clone(),
                source,
            }
        })?;
        Ok(Removed::new(path))
    }

    /// Keeps the store's mark of the audit log young, so that a log cut short is noticed.
    fn spawn_marks(&self, changes: Changes, authority: Arc<Authority>) {
        let drain = self.stop.drain.clone();
        self.tasks.spawn(async move {
            while timeout(MARK_INTERVAL, drain.cancelled()).await.is_err() {
                if let Err(error) = mark(&changes).await {
                    authority.trouble.send_replace(Some(chain(&error)));
                }
            }
        });
    }

    fn spawn_health(&self, changes: Changes, authority: Arc<Authority>) {
        let (drain, reporter) = (self.stop.drain.clone(), self.health.clone());
        let readiness = self.readiness.clone();
        self.tasks.spawn(async move {
            health::keep(&reporter, &authority, &readiness, &changes, &drain).await;
        });
    }

    /// Three tasks, so that none can hold up another: the session, what a leader does, and who watches it.
    fn spawn_leader(
        &self,
        authority: Arc<Authority>,
        store: Arc<dyn Store>,
        session_ended: impl Future<Output = ()> + Send + 'static,
    ) {
        let drain = &self.stop.drain;
        let kept = membership::keep(authority.clone(), store, session_ended, drain.clone());
        self.tasks.spawn(kept);
        let led = leader::keep(authority.clone(), drain.clone());
        self.stop.with(&self.tasks, "the leader's task", led);
        let watched = watchdog::keep(authority, self.health.clone(), drain.clone());
        self.stop.with(&self.tasks, "the watchdog", watched);
    }

    fn spawn_renewal(&self, identity: Identity, authority: Arc<Authority>) {
        let drain = self.stop.drain.clone();
        self.tasks.spawn(async move {
            drain.run_until_cancelled(identity.keep(&authority)).await;
        });
    }

    fn spawn_server(
        &self,
        authority: Arc<Authority>,
        incoming: tls::Incoming,
        address_file: Removed,
        changes: Changes,
    ) {
        let (stop, health) = (self.stop.clone(), self.health.clone());
        self.tasks.spawn(async move {
            let drain = stop.drain.clone();
            let result = rpc::serve(authority, &health, incoming, drain).await;
            drop(address_file);
            rpc::report(&health, false).await;
            // Of all that the last calls recorded. Where it fails, the log says so.
            let _ = mark(&changes).await;
            stop.check("the server", &result);
        });
    }
}

/// From the start, so that one that stays sealed can be seen.
fn listen_for_metrics(config: &Config) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let listening =
        |address| listen::listen(address).map_err(|source| StartError::Metrics { address, source });
    config.metrics.map(listening).transpose()
}

async fn mark(changes: &Changes) -> Result<(), ChangeError> {
    let marked = changes.mark(now_ms()).await;
    if let Err(error) = &marked {
        tracing::warn!(error = %chain(error), "cannot mark the audit log in the store");
    }
    marked
}

#[async_trait]
impl rpc::Open for Arc<Opener> {
    type Error = StartError;

    async fn open(&self, passphrase: Zeroizing<String>) -> Result<(), StartError> {
        // On a task of its own: whoever asked may stop waiting in the middle.
        let opener = self.clone();
        let opened = async move { Opener::open(&opener, Passphrase::new(passphrase)).await };
        tokio::spawn(opened)
            .await
            .unwrap_or_else(|error| Err(StartError::Failed(error.to_string())))
    }
}

/// What is opened blocks while it is read, so that is done where it may.
pub(super) async fn patiently<T, E>(
    open: impl Fn() -> Result<T, E> + Clone + Send + 'static,
    in_use: impl Fn(&E) -> bool,
) -> Result<T, StartError>
where
    T: Send + 'static,
    E: Send + 'static,
    StartError: From<E>,
{
    let began = Instant::now();
    loop {
        match spawn_blocking(open.clone()).await {
            Ok(Err(error)) if in_use(&error) && began.elapsed() < LOCK_PATIENCE => {
                sleep(LOCK_PAUSE).await;
            }
            Ok(other) => return Ok(other?),
            Err(error) => return Err(StartError::Failed(error.to_string())),
        }
    }
}

async fn check_cluster(config: &Config, store: &dyn Store) -> Result<ClusterRecord, StartError> {
    let entry = store.get(key::CLUSTER).await?;
    let entry = entry.ok_or_else(|| StartError::NoCluster {
        place: store::place(config),
    })?;
    let cluster = ClusterRecord::decode(&entry.key, &entry.value)?;
    if cluster.format < FORMAT {
        return Err(StartError::OldFormat {
            found: cluster.format,
            known: FORMAT,
        });
    }
    if cluster.format > FORMAT {
        return Err(StartError::Format {
            found: cluster.format,
            known: FORMAT,
        });
    }
    if cluster.cluster_id != config.cluster_id {
        return Err(StartError::OtherCluster {
            place: store::place(config),
            store: cluster.cluster_id.to_string(),
            config: config.cluster_id.to_string(),
        });
    }
    if cluster.trust_domain != config.trust_domain {
        return Err(StartError::OtherTrustDomain {
            store: cluster.trust_domain,
            config: config.trust_domain.clone(),
        });
    }
    Ok(cluster)
}

fn advertised(config: &Config, local: SocketAddr) -> Result<Vec<String>, StartError> {
    match config.addresses.as_slice() {
        [] if local.ip().is_unspecified() => Err(StartError::Advertise {
            listen: config.listen.clone(),
        }),
        [] => Ok(vec![local.to_string()]),
        addresses => Ok(addresses.to_vec()),
    }
}
