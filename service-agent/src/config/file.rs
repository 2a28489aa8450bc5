//! `agent.toml` as it is written, and the flags that go before it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cattery_core::Demands;
use cattery_telemetry::Export;
use serde::Deserialize;

use crate::decision_log::Decisions;

use super::{CacheConfig, Config, ConfigError, HeaderFacts, Peers, Required, Setting};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Flags: each one goes before the same setting of the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--dir`
    pub dir: Option<PathBuf>,
    /// `--socket`
    pub socket: Option<PathBuf>,
    /// `--http`
    pub http: Option<SocketAddr>,
}

/// What the program needs besides [`Config`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogConfig {
    /// A filter in the syntax of `RUST_LOG`.
    pub level: Option<String>,
    /// How lines look.
    pub format: LogFormat,
    /// Which decisions are in it.
    pub decisions: Decisions,
    /// Where spans go, if anywhere.
    pub traces: Option<Export>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    dir: Option<PathBuf>,
    socket: Option<PathBuf>,
    socket_mode: Option<String>,
    http: Option<String>,
    http_socket: Option<PathBuf>,
    ext_authz: Option<String>,
    outage_budget_seconds: Option<u64>,
    verify: VerifySection,
    single_use: SingleUseSection,
    forward_auth: ForwardAuthSection,
    forward: ForwardSection,
    mint: PeersSection,
    in_process: PeersSection,
    cache: Option<CacheSection>,
    log: LogSection,
    traces: Option<TracesSection>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VerifySection {
    leeway_seconds: Option<u64>,
    max_lifetime_seconds: Option<u64>,
    require: Vec<Required>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SingleUseSection {
    capacity: Option<usize>,
    shared: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ForwardAuthSection {
    facts: HeaderFacts,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ForwardSection {
    from: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PeersSection {
    allow_uids: Vec<u32>,
    allow_gids: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheSection {
    file: PathBuf,
    key_file: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogSection {
    level: Option<String>,
    format: LogFormat,
    decisions: Decisions,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TracesSection {
    endpoint: String,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    sample_ratio: f64,
}

impl Config {
    /// Reads `path`, or `DIR/agent.toml` where there is one, lets flags go before it, and checks the whole.
    ///
    /// # Errors
    /// The file cannot be read, has a field that is not known, or settings are bad: all of them are named.
    pub fn read(
        path: Option<&Path>,
        overrides: &Overrides,
    ) -> Result<(Self, LogConfig), ConfigError> {
        let file = match (path, &overrides.dir) {
            (Some(path), _) => read_file(path, true)?,
            (None, Some(dir)) => read_file(&dir.join("agent.toml"), false)?,
            (None, None) => File::default(),
        };
        let mut bad = Vec::new();
        let traces = file.traces.as_ref().map(|traces| Export {
            endpoint: traces.endpoint.clone(),
            ca_file: traces.ca_file.clone(),
            sample_ratio: traces.sample_ratio,
        });
        if let Some(Err(error)) = traces.as_ref().map(Export::check) {
            bad.push(Setting {
                name: error.setting(),
                problem: error.to_string(),
            });
        }
        let log = LogConfig {
            level: file.log.level.clone(),
            format: file.log.format,
            decisions: file.log.decisions,
            traces,
        };
        let config = build(file, overrides, &mut bad);
        match config.check() {
            Err(ConfigError::Settings(more)) => bad.extend(more),
            Err(other) => return Err(other),
            Ok(()) => {}
        }
        if bad.is_empty() {
            Ok((config, log))
        } else {
            Err(ConfigError::Settings(bad))
        }
    }
}

fn read_file(path: &Path, has_to_exist: bool) -> Result<File, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) if why.kind() == io::ErrorKind::NotFound && !has_to_exist => String::new(),
        Err(why) => {
            let path = path.to_owned();
            return Err(ConfigError::Read { path, why });
        }
    };
    toml::from_str(&text).map_err(|why| ConfigError::Syntax {
        path: path.to_owned(),
        line: 1 + why.span().map_or(0, |span| lines_before(&text, span.start)),
        why: why.message().replace('\n', ", "),
    })
}

fn lines_before(text: &str, at: usize) -> usize {
    let before = text.bytes().take(at);
    before.filter(|byte| *byte == b'\n').count()
}

fn build(file: File, overrides: &Overrides, bad: &mut Vec<Setting>) -> Config {
    let mut problem = |name, problem: String| bad.push(Setting { name, problem });
    let dir = overrides.dir.clone().or(file.dir).unwrap_or_else(|| {
        problem(
            "dir",
            "it is missing: the agent needs a directory of its own".into(),
        );
        PathBuf::new()
    });
    let mut config = Config::new(&dir);
    set(&mut config.socket, overrides.socket.clone().or(file.socket));
    config.http_socket = file.http_socket;
    let mode = file.socket_mode.and_then(|text| {
        let mode = u32::from_str_radix(&text, 8);
        mode.inspect_err(|_| {
            problem(
                "socket_mode",
                format!("{text:?} is not octal, like \"0660\""),
            );
        })
        .ok()
    });
    set(&mut config.socket_mode, mode);
    let mut address = |name, text: Option<String>, example| {
        let text = text?;
        let address = text.parse();
        let wrong = |_: &_| {
            problem(
                name,
                format!("{text:?} is not ADDRESS:PORT, like {example:?}"),
            );
        };
        address.inspect_err(wrong).ok()
    };
    let http = address("http", file.http, "127.0.0.1:7480");
    set(&mut config.http, overrides.http.or(http));
    config.ext_authz = address("ext_authz", file.ext_authz, "127.0.0.1:7481");
    set(
        &mut config.outage_budget,
        file.outage_budget_seconds.map(Duration::from_secs),
    );
    set(&mut config.leeway_seconds, file.verify.leeway_seconds);
    set(
        &mut config.max_lifetime_seconds,
        file.verify.max_lifetime_seconds,
    );
    config.demands = demands(&file.verify.require);
    set(&mut config.single_use_capacity, file.single_use.capacity);
    config.single_use_shared = file.single_use.shared;
    config.header_facts = file.forward_auth.facts;
    for name in file.forward.from {
        match name.parse() {
            Ok(principal) => config.forward_from.push(principal),
            Err(why) => problem("forward.from", format!("{name:?}: {why}")),
        }
    }
    config.mint = file.mint.into();
    config.in_process = file.in_process.into();
    config.cache = file.cache.map(|cache| CacheConfig {
        file: cache.file,
        key_file: cache.key_file,
    });
    config
}

fn demands(required: &[Required]) -> Demands {
    let has = |what| required.contains(&what);
    Demands {
        request: has(Required::Request),
        body: has(Required::Body),
        single_use: has(Required::SingleUse),
    }
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

impl From<PeersSection> for Peers {
    fn from(section: PeersSection) -> Self {
        Self {
            uids: section.allow_uids,
            gids: section.allow_gids,
        }
    }
}
