//! What makes a configuration one that can run. All that is wrong is told at once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Config;
use crate::cache::{CacheError, CacheKey};
use crate::socket::MAX_SOCKET_PATH;

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the file: `forward_auth.facts`.
    pub name: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {why}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        why: std::io::Error,
    },
    /// The file is not of this form.
    #[error("{}, line {line}: {why}", .path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Why.
        why: String,
    },
    /// Some settings are bad: all of them.
    #[error("{}", Lines(.0))]
    Settings(Vec<Setting>),
}

struct Lines<'a>(&'a [Setting]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, setting) in self.0.iter().enumerate() {
            let line_break = if index > 0 { "\n" } else { "" };
            write!(f, "{line_break}{}: {}", setting.name, setting.problem)?;
        }
        Ok(())
    }
}

/// More would keep a revoked key alive for longer than anyone remembers.
const MAX_OUTAGE_BUDGET: Duration = Duration::from_secs(30 * 24 * 3_600);
/// More, and an expired token is as good as a fresh one.
const MAX_LEEWAY: u64 = 600;
/// The longest that the authorities remember, seconds.
const MAX_SHARED_LIFETIME: u64 = 24 * 3_600;
/// About 4 GiB when full.
const MAX_CAPACITY: usize = 1 << 24;

impl Config {
    /// Checks the files that the settings name, which an agent reads before it spends a join token.
    ///
    /// # Errors
    /// The cache could not be sealed, or not be written.
    pub fn check_files(&self) -> Result<(), CacheError> {
        self.cache
            .as_ref()
            .map_or(Ok(()), |cache| CacheKey::read(cache).map(drop))
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ConfigError::Settings`] with all that are bad.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut bad = Vec::new();
        let mut check = |name, is_good: bool, problem: &dyn Fn() -> String| {
            if !is_good {
                let problem = problem();
                bad.push(Setting { name, problem });
            }
        };
        for (name, path) in [
            ("socket", Some(&self.socket)),
            ("http_socket", self.http_socket.as_ref()),
        ] {
            let len = path.map_or(0, |path| path.as_os_str().len());
            check(name, len <= MAX_SOCKET_PATH, &|| too_long(path, len));
        }
        check(
            "http_socket",
            self.http_socket.as_ref() != Some(&self.socket),
            &|| "it is the same path as `socket`".into(),
        );
        check("socket_mode", self.socket_mode & !0o777 == 0, &|| {
            format!("{:o} is more than the permissions 0777", self.socket_mode)
        });
        for (name, address) in [("http", Some(self.http)), ("ext_authz", self.ext_authz)] {
            let Some(address) = address else { continue };
            check(name, address.ip().is_loopback(), &|| {
                format!(
                    "{address} is not a loopback address: what listens there hears tokens in the clear; use 127.0.0.1:PORT or [::1]:PORT"
                )
            });
        }
        let budget = self.outage_budget;
        check(
            "outage_budget_seconds",
            (Duration::from_secs(1)..=MAX_OUTAGE_BUDGET).contains(&budget),
            &|| {
                format!(
                    "{} is not from 1 to {} (30 days)",
                    budget.as_secs(),
                    MAX_OUTAGE_BUDGET.as_secs()
                )
            },
        );
        check(
            "verify.leeway_seconds",
            self.leeway_seconds <= MAX_LEEWAY,
            &|| format!("{} is more than {MAX_LEEWAY}", self.leeway_seconds),
        );
        check(
            "verify.max_lifetime_seconds",
            self.max_lifetime_seconds > 0,
            &|| "with 0 every token is refused".into(),
        );
        let capacity = self.single_use_capacity;
        check(
            "single_use.capacity",
            (1..=MAX_CAPACITY).contains(&capacity),
            &|| format!("{capacity} is not from 1 to {MAX_CAPACITY}"),
        );
        check(
            "single_use.shared",
            !self.single_use_shared || self.max_lifetime_seconds <= MAX_SHARED_LIFETIME,
            &|| {
                format!(
                    "the authorities remember tokens of a day at most, and verify.max_lifetime_seconds is {}: set it to {MAX_SHARED_LIFETIME} or less",
                    self.max_lifetime_seconds
                )
            },
        );
        if let Some(cache) = &self.cache {
            check("cache.key_file", cache.file != cache.key_file, &|| {
                "it is the same path as `cache.file`".into()
            });
        }
        if bad.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Settings(bad))
        }
    }
}

fn too_long(path: Option<&PathBuf>, len: usize) -> String {
    let path = path.map_or(Path::new(""), PathBuf::as_path);
    format!(
        "{} has {len} bytes; the path of a socket has at most {MAX_SOCKET_PATH}: choose a shorter one, /run/cattery/NAME.sock say",
        path.display()
    )
}
