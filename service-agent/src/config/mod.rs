//! The agent's configuration: read once and whole, checked before anything is done.

mod check;
mod file;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cattery_core::{Demands, Principal};

pub use check::{ConfigError, Setting};
pub use file::{LogConfig, LogFormat, Overrides};

use crate::clock::unix_seconds;
use crate::state::{Enrolled, Enrolment, StateDir, StateError};

/// What a proxy's request to forward-auth may vouch for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderFacts {
    /// Nothing: whoever reaches the listener can write any header, so headers count only where an operator says that a
    /// proxy sets each one of them itself.
    #[default]
    None,
    /// `X-Forwarded-Method`, `-Host`, `-Uri` and the last entry of `-For`: Traefik, Caddy.
    XForwarded,
    /// `X-Original-Method`, `X-Original-URL` or `-URI`, `X-Original-Host`, and `X-Real-IP`: nginx.
    XOriginal,
}

/// What a caller's token has to be narrowed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Required {
    /// It is good for one request: one method, authority, path and query.
    Request,
    /// That request's body, too.
    Body,
    /// It is good for one use.
    SingleUse,
}

/// Processes that may do something, by the credentials of their end of the socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// User ids.
    pub uids: Vec<u32>,
    /// Primary group ids.
    pub gids: Vec<u32>,
}

/// Where keys are kept across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// The sealed keys.
    pub file: PathBuf,
    /// What they are sealed under: 32 bytes or more, for its owner's eyes alone.
    pub key_file: PathBuf,
}

/// How an agent is to run. [`Config::new`] has every default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The agent's own directory, mode 0700.
    pub dir: PathBuf,
    /// The Unix socket of gRPC.
    pub socket: PathBuf,
    /// The mode of Unix sockets.
    pub socket_mode: u32,
    /// Where HTTP listens; loopback only. Port 0 is any free one.
    pub http: SocketAddr,
    /// A Unix socket that speaks HTTP as well.
    pub http_socket: Option<PathBuf>,
    /// Where Envoy's `ext_authz` listens besides the socket of gRPC; loopback only.
    pub ext_authz: Option<SocketAddr>,
    /// How long to go on without hearing from any authority.
    pub outage_budget: Duration,
    /// Difference of clocks that is forgiven, seconds.
    pub leeway_seconds: u64,
    /// Greatest lifetime of a token, seconds.
    pub max_lifetime_seconds: u64,
    /// What tokens have to be narrowed by.
    pub demands: Demands,
    /// Single-use tokens that are remembered at the same time.
    pub single_use_capacity: usize,
    /// Whether all agents of the service share one memory of them, which the authorities keep.
    pub single_use_shared: bool,
    /// What forward-auth believes of the request.
    pub header_facts: HeaderFacts,
    /// Whose calls may carry tokens of others.
    pub forward_from: Vec<Principal>,
    /// Who may sign as this service.
    pub mint: Peers,
    /// Who may get the verification keys.
    pub in_process: Peers,
    /// Where keys are kept across restarts, if at all.
    pub cache: Option<CacheConfig>,
}

/// Long enough for a night and its morning; a revocation can be as late as this.
const OUTAGE_BUDGET: Duration = Duration::from_secs(12 * 3_600);
/// About 16 MiB when full.
const SINGLE_USE_CAPACITY: usize = 65_536;

impl Config {
    /// The defaults, with everything inside `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            socket: dir.join("agent.sock"),
            socket_mode: 0o660,
            http: (Ipv4Addr::LOCALHOST, 0).into(),
            http_socket: None,
            ext_authz: None,
            outage_budget: OUTAGE_BUDGET,
            leeway_seconds: cattery_core::limits::DEFAULT_LEEWAY,
            max_lifetime_seconds: cattery_core::limits::DEFAULT_MAX_LIFETIME,
            demands: Demands::default(),
            single_use_capacity: SINGLE_USE_CAPACITY,
            single_use_shared: false,
            header_facts: HeaderFacts::None,
            forward_from: Vec::new(),
            mint: Peers::default(),
            in_process: Peers::default(),
            cache: None,
        }
    }
}

impl Config {
    /// Whether a start may need a join token: the agent of this directory has no certificate, or one that has ended. In the latter case
    /// it starts without one, too.
    pub fn needs_join_token(&self) -> bool {
        match Enrolled::load(&StateDir::at(&self.dir)) {
            Ok(enrolled) => enrolled.is_none_or(|enrolled| enrolled.has_ended(unix_seconds())),
            Err(_) => false, // the start says what is wrong
        }
    }

    /// As what the agent of this directory is enrolled; `None` before that. No secret is read.
    ///
    /// # Errors
    /// [`StateError`]: the file with it cannot be read, or is damaged.
    pub fn enrolment(&self) -> Result<Option<Enrolment>, StateError> {
        let enrolled = Enrolled::load(&StateDir::at(&self.dir))?;
        Ok(enrolled.map(Enrolment::from))
    }

    /// Whether the agent of this directory has had a certificate.
    pub fn has_enrolled(&self) -> bool {
        let enrolled = Enrolled::load(&StateDir::at(&self.dir));
        matches!(enrolled, Ok(Some(_)))
    }
}

impl Peers {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty() && self.gids.is_empty()
    }

    /// Whether a process with these ids is one of them.
    pub fn admit(&self, uid: u32, gid: u32) -> bool {
        self.uids.contains(&uid) || self.gids.contains(&gid)
    }
}

#[cfg(test)]
mod tests;
