//! The agent as a whole: started, running, stopped.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cattery_sdk::systemd::{HandedError, HandedSockets};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::agent::Agent;
use crate::cache::{Cache, CacheError, CacheKey};
use crate::clock::Moment;
use crate::config::{Config, ConfigError};
use crate::contact::Contact;
use crate::decision_log::{DecisionLog, Decisions};
use crate::enrol::{self, EnrolError};
use crate::follow::{Follower, Trigger};
use crate::handed_over;
use crate::link::{Link, LinkError};
use crate::meters::Meters;
use crate::mint::Leases;
use crate::once::Memory;
use crate::seldom::Seldom;
use crate::skew::ClockDifference;
use crate::socket::{self, BoundSocket, SocketError};
use crate::state::{DirLock, StateDir, StateError};
use crate::{grpc, http, renew};

/// Where HTTP listens, for programs that look for it.
const ADDRESS_FILE: &str = "agent.addr";
/// Where `ext_authz` listens.
const EXT_AUTHZ_ADDRESS_FILE: &str = "ext_authz.addr";
/// How long open calls may go on after a stop: verifying takes no time, and whoever waits for a first `Mint` can ask again.
const DRAIN: Duration = Duration::from_secs(2);
/// How long another process may take to let go of the directory or of a socket: one that is being replaced, say.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Why an agent does not start: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Enrolment.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The stored identity.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The sealed cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A Unix socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A socket that systemd hands over.
    #[error(transparent)]
    Handed(#[from] HandedError),
    /// One that is handed over for others than this machine.
    #[error(
        "systemd hands over `{name}` on {address}, and it must be on loopback, since what is spoken there is not encrypted: use ListenStream=127.0.0.1:PORT"
    )]
    NotLoopback {
        /// Which one.
        name: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// A TCP listener.
    #[error(
        "cannot listen on {address}: {why}; choose another `{setting}` address, or port 0 for any free one"
    )]
    Listen {
        /// Which one.
        setting: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        why: io::Error,
    },
}

/// The agent, before it runs.
pub struct App;

impl App {
    /// As [`start_on`](Self::start_on), with sockets of its own.
    ///
    /// # Errors
    /// [`StartError`]. What was not bound or enrolled is as it was.
    pub async fn start(config: Config, join_token: Option<&str>) -> Result<Running, StartError> {
        Self::start_on(config, join_token, HandedSockets::default()).await
    }

    /// Enrols if need be, listens, and begins to follow its keys. Several agents can run in one process.
    ///
    /// The join token is the text `catjoin1_…`; an agent that has enrolled needs none. The answer
    /// does not wait for keys: until they come, callers are told `unavailable`. A socket that systemd handed over, by the name of
    /// its setting ([`crate::SOCKETS`]), is served in place of one that the configuration names.
    ///
    /// # Errors
    /// [`StartError`]. What was not bound or enrolled is as it was.
    pub async fn start_on(
        config: Config,
        join_token: Option<&str>,
        mut handed: HandedSockets,
    ) -> Result<Running, StartError> {
        config.check()?;
        let is_taken = |error: &StateError| matches!(error, StateError::InUse(_));
        let (dir, lock) = patiently(|| StateDir::open(&config.dir), is_taken).await?;
        let cache_key = config.cache.as_ref().map(CacheKey::read).transpose()?;
        let listeners = Listeners::bind(&config, &mut handed).await?;
        let (key, enrolled) = enrol::identity(&dir, join_token).await?;
        let service = enrolled.service.clone();
        let cache = config.cache.as_ref().zip(cache_key);
        let cache = cache.map(|(cache, key)| Cache::new(cache, key, service.clone()));
        let agent = Arc::new(Agent {
            service,
            link: Link::new(dir.clone(), key, enrolled)?,
            keys: ArcSwapOption::empty(),
            contact: Contact::new(config.outage_budget),
            once: Memory::new(config.single_use_capacity, Moment::now()),
            look: Trigger::default(),
            leases: Leases::default(),
            clock_difference: ClockDifference::default(),
            meters: Meters::default(),
            decision_log: DecisionLog::new(Decisions::None),
            skew_said: Seldom::default(),
            spending_said: Seldom::default(),
            config,
        });
        let follower = Follower::new(Arc::clone(&agent), dir.clone(), cache)?;
        let addresses = [
            (ADDRESS_FILE, Some(listeners.http.1)),
            (EXT_AUTHZ_ADDRESS_FILE, listeners.ext_authz_addr()),
        ];
        for (file, address) in addresses {
            if let Some(address) = address {
                dir.write(file, format!("{address}\n").as_bytes())?;
            }
        }
        Ok(listeners.serve(agent, follower, lock))
    }
}

async fn bind(path: &Path, mode: u32) -> Result<(UnixListener, BoundSocket), SocketError> {
    let is_taken = |error: &SocketError| matches!(error, SocketError::Contended(_));
    patiently(|| socket::listen(path, mode), is_taken).await
}

/// Takes what may still be held for a moment, by a process that a predecessor has just started even.
async fn patiently<T, E>(
    take: impl Fn() -> Result<T, E>,
    is_taken: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let patience = Instant::now() + LOCK_PATIENCE;
    loop {
        match take() {
            Err(error) if is_taken(&error) && Instant::now() < patience => sleep(LOCK_PAUSE).await,
            taken => return taken,
        }
    }
}

/// Bound before the join token is spent.
struct Listeners {
    grpc: (UnixListener, BoundSocket),
    http: (TcpListener, SocketAddr),
    http_socket: Option<(UnixListener, BoundSocket)>,
    ext_authz: Option<(TcpListener, SocketAddr)>,
}

async fn bind_tcp(
    setting: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |why| StartError::Listen {
        setting,
        address,
        why,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Listeners {
    async fn bind(config: &Config, handed: &mut HandedSockets) -> Result<Self, StartError> {
        let mode = config.socket_mode;
        Ok(Self {
            http: match handed_over::tcp(handed, handed_over::HTTP)? {
                Some(listener) => listener,
                None => bind_tcp("http", config.http).await?,
            },
            ext_authz: match handed_over::tcp(handed, handed_over::EXT_AUTHZ)? {
                None => match config.ext_authz {
                    Some(address) => Some(bind_tcp("ext_authz", address).await?),
                    None => None,
                },
                handed => handed,
            },
            grpc: match handed_over::unix(handed, handed_over::SOCKET)? {
                Some(listener) => listener,
                None => bind(&config.socket, mode).await?,
            },
            http_socket: match handed_over::unix(handed, handed_over::HTTP_SOCKET)? {
                None => match &config.http_socket {
                    Some(path) => Some(bind(path, mode).await?),
                    None => None,
                },
                handed => handed,
            },
        })
    }

    fn ext_authz_addr(&self) -> Option<SocketAddr> {
        self.ext_authz.as_ref().map(|(_, address)| *address)
    }

    fn serve(self, agent: Arc<Agent>, follower: Follower, lock: DirLock) -> Running {
        let stop = CancellationToken::new();
        let ext_authz_addr = self.ext_authz_addr();
        let mut servers = JoinSet::new();
        let (listener, socket) = self.grpc;
        let path = socket.path.clone();
        let mut sockets = vec![socket];
        let served = grpc::serve(Arc::clone(&agent), listener, stop.clone());
        servers.spawn(async move { served.await.map_err(|error| error.to_string()) });
        let served = http::serve(
            Arc::clone(&agent),
            self.http.0,
            stop.clone().cancelled_owned(),
        );
        servers.spawn(async move { served.await.map_err(|error| error.to_string()) });
        if let Some((listener, socket)) = self.http_socket {
            sockets.push(socket);
            let stopped = stop.clone().cancelled_owned();
            let served = http::serve(Arc::clone(&agent), listener, stopped);
            servers.spawn(async move { served.await.map_err(|error| error.to_string()) });
        }
        if let Some((listener, _)) = self.ext_authz {
            let stopped = stop.clone().cancelled_owned();
            let served = grpc::serve_ext_authz(Arc::clone(&agent), listener, stopped);
            servers.spawn(async move { served.await.map_err(|error| error.to_string()) });
        }
        let mut background = JoinSet::new();
        background.spawn(follower.run());
        background.spawn(renew::run(Arc::clone(&agent)));
        Running {
            agent,
            socket: path,
            http_addr: self.http.1,
            ext_authz_addr,
            stop: stop.drop_guard(),
            sockets,
            servers,
            background,
            telling: JoinSet::new(),
            _lock: lock,
        }
    }
}

/// A running agent. Dropping it ends it; [`shutdown`](Self::shutdown) lets open calls end first.
pub struct Running {
    agent: Arc<Agent>,
    socket: PathBuf,
    http_addr: SocketAddr,
    ext_authz_addr: Option<SocketAddr>,
    stop: DropGuard,
    sockets: Vec<BoundSocket>,
    servers: JoinSet<Result<(), String>>,
    background: JoinSet<()>,
    telling: JoinSet<()>,
    /// Last of all: a successor finds nobody else writing.
    _lock: DirLock,
}

impl Running {
    /// The Unix socket of gRPC.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where HTTP listens.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where Envoy's `ext_authz` listens besides, if anywhere.
    pub fn ext_authz_addr(&self) -> Option<SocketAddr> {
        self.ext_authz_addr
    }

    /// The service that the agent sits beside.
    pub fn service(&self) -> &str {
        self.agent.service.as_str()
    }

    /// Tells systemd that it is up, how it is and that it makes progress, until it stops.
    pub fn tell_systemd(&mut self) {
        let agent = Arc::clone(&self.agent);
        let telling = cattery_sdk::systemd::keep_telling(move || agent.summary(Moment::now()));
        self.telling.spawn(telling);
    }

    /// Which decisions are logged from now on; none of them until this is called.
    pub fn log_decisions(&self, decisions: Decisions) {
        self.agent.decision_log.set(decisions);
    }

    /// Whether it has keys that it may rely on.
    pub fn is_ready(&self) -> bool {
        self.agent.is_ready(Moment::now())
    }

    /// Waits until something in it breaks, which is not meant to happen.
    pub async fn broken(&mut self) -> String {
        tokio::select! {
            ended = self.servers.join_next() => match ended {
                Some(Ok(Err(error))) => error,
                Some(Err(error)) => error.to_string(),
                Some(Ok(Ok(()))) | None => "a listener stopped".to_owned(),
            },
            ended = self.background.join_next() => match ended {
                Some(Err(error)) => error.to_string(),
                Some(Ok(())) | None => "a task in the background ended".to_owned(),
            },
        }
    }

    /// Takes no more calls, lets those that are open end, for five seconds at most, and is gone.
    pub async fn shutdown(mut self) {
        info!("stopping");
        self.sockets.clear(); // a successor may bind the path from here on
        drop(self.stop);
        let all_ended = async { while self.servers.join_next().await.is_some() {} };
        if timeout(DRAIN, all_ended).await.is_err() {
            warn!("calls were still open after {} s", DRAIN.as_secs());
        }
        self.background.shutdown().await;
    }
}
