//! `--home`: the folder in which credentials and keys lie, and nothing else.

mod change;
mod files;
mod profile;
mod secret;

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use cattery_core::ServiceName;
use serde::de::DeserializeOwned;

pub(crate) use change::Change;
pub(crate) use profile::{
    AgentFile, ClusterFile, EnrollingFile, HandedOut, LeaseFile, OperatorFile, UserFile,
};
pub(crate) use secret::Secret;

use crate::clock;

const OPERATOR: &str = "operator.json";
const ENROLLING: &str = "enrolling.json";
const USER: &str = "user.json";
const AGENT: &str = "agent.json";
const HANDED_OUT: &str = "handed-out.json";
const KEYS: &str = "keys";

/// One person's credentials and keys. Made, 0700, when something is first kept in it.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    dir: PathBuf,
}

impl Home {
    /// The folder of the flag, of `CATTERY_HOME`, or the place that the XDG base directories give.
    pub(crate) fn locate(flag: Option<PathBuf>) -> anyhow::Result<Self> {
        let given = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let dir = flag
            .or_else(|| given("CATTERY_HOME"))
            .or_else(|| {
                let config = given("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute());
                let config = config.or_else(|| Some(given("HOME")?.join(".config")))?;
                Some(config.join("cattery"))
            })
            .ok_or_else(|| {
                anyhow!("there is no place for credentials: set HOME or give --home DIR")
            })?;
        Ok(Self { dir })
    }

    /// A home at `dir`.
    pub(crate) fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Who one is as an operator.
    pub(crate) fn operator(&self) -> anyhow::Result<Option<OperatorFile>> {
        self.read(Path::new(OPERATOR))
    }

    /// Refuses where an operator is at home who can still act: what is kept of them exists nowhere else.
    pub(crate) fn expect_no_operator(&self) -> anyhow::Result<()> {
        match self.operator()? {
            Some(operator) if operator.not_after > clock::now() => bail!(
                "{} is at home in {} already: give another --home, or move {OPERATOR} out of it",
                operator.subject,
                self.dir.display()
            ),
            _ => Ok(()),
        }
    }

    /// Finds out whether something can be kept here, before anything is done that cannot be done again.
    pub(crate) fn check_writable(&self) -> anyhow::Result<()> {
        files::try_write(&self.dir)
            .with_context(|| format!("nothing can be kept in {}", self.dir.display()))
    }

    /// Waits until nobody else changes what is kept here. Held while files are read and written, and never while an
    /// authority is asked.
    pub(crate) fn change(&self) -> anyhow::Result<Change<'_>> {
        Change::begin(self)
    }

    /// Keeps who one is as an operator, unless somebody else came first who can still act.
    pub(crate) fn keep_operator(&self, file: &OperatorFile) -> anyhow::Result<()> {
        let change = self.change()?;
        self.expect_no_operator()?;
        change.keep_operator(file)
    }

    /// Who one is as a user.
    pub(crate) fn user(&self) -> anyhow::Result<Option<UserFile>> {
        self.read(Path::new(USER))
    }

    /// Which agent to ask, unless a command names one.
    pub(crate) fn agent(&self) -> anyhow::Result<Option<AgentFile>> {
        self.read(Path::new(AGENT))
    }

    /// What was handed out and can be revoked alone.
    pub(crate) fn handed_out(&self) -> anyhow::Result<Vec<HandedOut>> {
        Ok(self.read(Path::new(HANDED_OUT))?.unwrap_or_default())
    }

    /// The key for a service.
    pub(crate) fn lease(&self, service: &ServiceName) -> anyhow::Result<Option<LeaseFile>> {
        self.read(&lease_name(service.as_str()))
    }

    /// An enrolment as an operator that was begun.
    pub(crate) fn enrolling(&self) -> anyhow::Result<Option<EnrollingFile>> {
        self.read(Path::new(ENROLLING))
    }

    /// The services that there are keys for.
    pub(crate) fn leases(&self) -> anyhow::Result<Vec<ServiceName>> {
        let mut services: Vec<ServiceName> = files::names(&self.dir.join(KEYS))?
            .iter()
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .collect();
        services.sort();
        Ok(services)
    }

    fn read<T: DeserializeOwned>(&self, name: &Path) -> anyhow::Result<Option<T>> {
        let path = self.dir.join(name);
        let Some(bytes) = files::read_private(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            anyhow!(
                "{} is damaged (line {}, column {}): remove it and log in again",
                path.display(),
                error.line(),
                error.column()
            )
        })
    }
}

/// A service's name has no `/` and begins with a letter or a digit.
fn lease_name(service: &str) -> PathBuf {
    Path::new(KEYS).join(format!("{service}.json"))
}
