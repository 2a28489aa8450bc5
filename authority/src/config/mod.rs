//! `DIR/authority.toml`: read once and whole. Every bad setting is reported by name, all of them in one go.
//!
//! ```
//! use cattery_authority::config::Config;
//!
//! let text = r#"
//!     cluster_id = "00112233445566778899aabbccddeeff"
//!     listen = "127.0.0.1:7443"
//!     max_lease = "8h"
//!     [unseal]
//!     method = "passphrase"
//! "#;
//! let config = Config::parse("/var/lib/cattery".as_ref(), text)?;
//! assert_eq!(config.max_lease.as_secs(), 8 * 3600);
//! # Ok::<(), cattery_authority::config::ConfigError>(())
//! ```

mod settings;
mod store;
mod values;
mod write;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::records::Hex;
use cattery_telemetry::Export;
use settings::Settings;

pub use store::{CertificateFiles, EtcdSettings, Login, StoreSettings};
pub use values::{parse_duration, show_duration};

/// What the file is called in the authority's directory.
pub const FILE: &str = "authority.toml";

/// What `listen` is when nobody says otherwise: this machine alone.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7443";

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// One day: a working day with a margin, so that a user fetches keys once a day, and what leaks is worth little tomorrow.
pub const DEFAULT_MAX_LEASE: Duration = DAY;
/// A draining epoch lives as long as the greatest lease: more than this would keep old root keys about for too long.
pub(crate) const MAX_LEASE: Duration = Duration::from_secs(90 * 24 * 3600);
/// Three days: agents renew at half of it, so an authority may be away for a day and a half before any agent notices.
const DEFAULT_AGENT_CERTIFICATE: Duration = Duration::from_secs(3 * 24 * 3600);
/// A month: an agent that was cut off for weeks comes back by itself, and its key alone is worth nothing to whoever finds it later.
const DEFAULT_RECOVERY: Duration = Duration::from_secs(30 * 24 * 3600);
/// Ten years: its successor comes when a third of that is left.
const DEFAULT_CA: Duration = Duration::from_secs(3650 * 24 * 3600);
/// Three months: an operator may be on leave, and nobody can let the last admin in again. Revoking is at once.
const DEFAULT_OPERATOR_CERTIFICATE: Duration = Duration::from_secs(90 * 24 * 3600);
/// A month: what leaks of an epoch is worth nothing after that, and nobody notices a rotation.
const DEFAULT_ROTATION: Duration = Duration::from_secs(30 * 24 * 3600);
/// That of the protocol: agents allow as much when they look at a token's times.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
/// Half a minute: how late an authority notices that an agent is gone, and an agent that an authority is. News is told at once.
const DEFAULT_REFRESH: Duration = Duration::from_secs(30);

/// The settings of one authority.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The directory that holds `authority.toml`, the store, the audit log and the unseal socket.
    pub dir: PathBuf,
    /// The cluster of the store: a store of another one is refused.
    pub cluster_id: Hex<16>,
    /// The trust domain of SPIFFE IDs; the store's has to be the same.
    pub trust_domain: String,
    /// Names this authority among the cluster's, in the audit log above all.
    pub authority_id: String,
    /// HOST:PORT to listen on; port 0 takes a free one.
    pub listen: String,
    /// HOST:PORT under which others reach this authority; empty for what it listens on.
    pub addresses: Vec<String>,
    /// Where metrics are served, loopback only; `None` for nowhere. Port 0 takes a free one.
    pub metrics: Option<SocketAddr>,
    /// The greatest lease of a user key.
    pub max_lease: Duration,
    /// How long an agent's certificate is good for.
    pub agent_certificate_lifetime: Duration,
    /// How long after its certificate's end an agent gets a new one for its old key; `None` for not at all.
    pub agent_recovery_window: Option<Duration>,
    /// How long an operator's certificate is good for.
    pub operator_certificate_lifetime: Duration,
    /// How long the next CA is good for.
    pub ca_lifetime: Duration,
    /// How often agents are asked for a beat, at the least.
    pub service_refresh_interval: Duration,
    /// How long an epoch is active before the next one takes its place; `None` for until an operator says so.
    pub rotation_period: Option<Duration>,
    /// The greatest difference between the clocks of any two machines.
    pub leeway: Duration,
    /// Where the cluster's state is kept.
    pub store: StoreSettings,
    /// What opens the store.
    pub unseal: Unseal,
    /// What is logged.
    pub log: Log,
    /// Where spans go, if anywhere.
    pub traces: Option<Export>,
    /// Go on where the audit log lost records, and record that. Never in the file: it is one start's decision.
    pub accept_audit_loss: bool,
}

/// What opens the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unseal {
    /// A file, at every start.
    KeyFile(PathBuf),
    /// A passphrase that somebody types, or that comes from a file given to `run`.
    Passphrase,
}

/// What is logged, on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// For whom.
    pub format: LogFormat,
    /// Directives of `tracing_subscriber::EnvFilter`: `info`, `cattery_authority=debug`.
    pub filter: String,
}

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// People.
    Human,
    /// Programs: one JSON object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            filter: "info".to_owned(),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such directory, or no file in it.
    #[error(
        "{} holds no authority: run `cattery init` first, or name the right directory with --dir",
        dir.display()
    )]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("cannot read {}: it has to be a text file that this user may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong.
        problem: String,
    },
    /// An option that stands for a setting is wrong.
    #[error("{option}: {problem}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Settings are wrong.
    #[error("{}: {}", path.display(), problems.join("; "))]
    Settings {
        /// The file.
        path: PathBuf,
        /// One for each, with the setting's name.
        problems: Vec<String>,
    },
}

impl Config {
    /// The defaults, for a store of this cluster.
    pub fn new(
        dir: impl Into<PathBuf>,
        cluster_id: Hex<16>,
        trust_domain: &str,
        unseal: Unseal,
    ) -> Self {
        Self {
            dir: dir.into(),
            cluster_id,
            trust_domain: trust_domain.to_owned(),
            authority_id: "authority-1".to_owned(),
            listen: DEFAULT_LISTEN.to_owned(),
            addresses: Vec::new(),
            metrics: None,
            max_lease: DEFAULT_MAX_LEASE,
            agent_certificate_lifetime: DEFAULT_AGENT_CERTIFICATE,
            agent_recovery_window: Some(DEFAULT_RECOVERY),
            operator_certificate_lifetime: DEFAULT_OPERATOR_CERTIFICATE,
            ca_lifetime: DEFAULT_CA,
            service_refresh_interval: DEFAULT_REFRESH,
            rotation_period: Some(DEFAULT_ROTATION),
            leeway: DEFAULT_LEEWAY,
            store: StoreSettings::Embedded,
            unseal,
            log: Log::default(),
            traces: None,
            accept_audit_loss: false,
        }
    }

    /// Reads `authority.toml` in `dir`.
    ///
    /// # Errors
    /// There is none, or it is wrong: all that is wrong with it.
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ConfigError::Missing {
                dir: dir.to_owned(),
            },
            _ => ConfigError::Read { path, source },
        })?;
        Self::parse(dir, &text)
    }

    /// Reads the text of an `authority.toml` that lies in `dir`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(dir: &Path, text: &str) -> Result<Self, ConfigError> {
        let path = dir.join(FILE);
        let mut settings = Settings::parse(text).map_err(|problem| ConfigError::Syntax {
            path: path.clone(),
            problem,
        })?;
        let config = Self::read(dir, &mut settings);
        match (config, settings.finish()) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(ConfigError::Settings { path, problems }),
        }
    }

    /// Listens elsewhere than the file says.
    ///
    /// # Errors
    /// Not HOST:PORT.
    pub fn listen_on(&mut self, address: &str) -> Result<(), ConfigError> {
        let problem = |problem| ConfigError::Option {
            option: "--listen",
            problem,
        };
        self.listen = values::host_port(&address.into()).map_err(problem)?;
        Ok(())
    }

    /// `None` only where a problem was reported.
    fn read(dir: &Path, settings: &mut Settings) -> Option<Self> {
        let cluster_id = settings.required("cluster_id", values::cluster_id);
        let trust_domain = settings.optional("trust_domain", values::trust_domain);
        let unseal = read_unseal(dir, settings);
        let store = StoreSettings::read(dir, settings);
        let mut config = Self::new(
            dir,
            cluster_id.unwrap_or(Hex([0; 16])),
            &trust_domain.unwrap_or_else(|| DEFAULT_TRUST_DOMAIN.to_owned()),
            unseal.clone().unwrap_or(Unseal::Passphrase),
        );
        settings.set(
            &mut config.authority_id,
            "authority_id",
            values::authority_id,
        );
        settings.set(&mut config.listen, "listen", values::host_port);
        settings.set(&mut config.addresses, "addresses", values::addresses);
        settings.set(&mut config.metrics, "metrics", values::metrics);
        let lifetimes = [
            (&mut config.max_lease, "max_lease", SECOND, MAX_LEASE),
            (&mut config.leeway, "leeway", SECOND, HOUR),
            (
                &mut config.agent_certificate_lifetime,
                "agent_certificate_lifetime",
                LEAST_CERTIFICATE,
                YEAR,
            ),
            (
                &mut config.operator_certificate_lifetime,
                "operator_certificate_lifetime",
                MINUTE,
                YEAR,
            ),
            // A third of it is longer than any lease.
            (&mut config.ca_lifetime, "ca_lifetime", YEAR, 30 * YEAR),
            (
                &mut config.service_refresh_interval,
                "service_refresh_interval",
                SECOND,
                HOUR,
            ),
        ];
        for (place, name, least, most) in lifetimes {
            settings.set(place, name, |value| values::duration(value, least, most));
        }
        settings.set(
            &mut config.agent_recovery_window,
            "agent_recovery_window",
            |value| values::duration_or_off(value, SECOND, YEAR),
        );
        settings.set(&mut config.rotation_period, "rotation_period", |value| {
            values::duration_or_off(value, SECOND, 10 * YEAR)
        });
        if let Some(problem) = config.rotates_too_often() {
            settings.problem(&problem);
        }
        settings.set(&mut config.log.format, "log.format", values::log_format);
        settings.set(&mut config.log.filter, "log.filter", values::log_filter);
        config.traces = read_traces(settings);
        config.store = store?;
        cluster_id.and(unseal).map(|_| config)
    }
}

fn read_traces(settings: &mut Settings) -> Option<Export> {
    let endpoint = settings.optional("traces.endpoint", values::text);
    let ca_file = settings.optional("traces.ca_file", values::text);
    let sample_ratio = settings.optional("traces.sample_ratio", values::ratio);
    if endpoint.is_none() && (ca_file.is_some() || sample_ratio.is_some()) {
        settings.problem("traces.endpoint: is missing");
    }
    let export = Export {
        endpoint: endpoint?,
        ca_file: ca_file.map(PathBuf::from),
        sample_ratio: sample_ratio.unwrap_or(0.0),
    };
    if let Err(error) = export.check() {
        settings.problem(&format!("{}: {error}", error.setting()));
    }
    Some(export)
}

impl Config {
    /// An epoch has to have drained before the next one does.
    fn rotates_too_often(&self) -> Option<String> {
        let period = self.rotation_period?;
        let timing = crate::timing::timing(self.leeway);
        let (lease, overlap) = (self.max_lease, Duration::from_secs(timing.overlap()));
        let needed = lease + overlap + self.leeway;
        (period <= needed).then(|| {
            format!(
                "rotation_period: {} has to be longer than max_lease + overlap + leeway = {} + {} + {} = {} (overlap = 2 × leeway + {} s \
                 for authorities that are slow), since an epoch drains for so long, and only one can at a time: raise rotation_period, \
                 or lower max_lease or leeway",
                show_duration(period),
                show_duration(lease),
                show_duration(overlap),
                show_duration(self.leeway),
                show_duration(needed),
                timing.confirmed + timing.session,
            )
        })
    }
}

/// The trust domain of a cluster that was given none. `.internal` is reserved for private use.
pub const DEFAULT_TRUST_DOMAIN: &str = "cattery.internal";

const SECOND: Duration = Duration::from_secs(1);
/// Agents renew at two thirds of it.
const LEAST_CERTIFICATE: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

fn read_unseal(dir: &Path, settings: &mut Settings) -> Option<Unseal> {
    let key_file = settings.optional("unseal.key_file", values::text);
    match settings
        .required("unseal.method", values::unseal_method)?
        .as_str()
    {
        "passphrase" if key_file.is_some() => {
            settings.problem(
                "unseal.key_file: goes with method = \"key-file\" only; remove it or change the method",
            );
            None
        }
        "passphrase" => Some(Unseal::Passphrase),
        _ => {
            let file = key_file.or_else(|| {
                settings.problem("unseal.key_file: is missing: the path of the key file that `cattery init` wrote");
                None
            })?;
            Some(Unseal::KeyFile(dir.join(file)))
        }
    }
}

#[cfg(test)]
mod tests;
