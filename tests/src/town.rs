//! What most stories begin with: a cluster with the service `photos`, its agent, and the user `alice`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cattery_core::{TokenSpec, UserKey};
use tempfile::TempDir;

use crate::{
    agent::{self, Agent},
    api,
    authority::Authority,
    cli::Cli,
};

/// What a story wants otherwise than usual.
pub struct Setting {
    /// The agent's `agent.toml`.
    pub agent: String,
    /// Whether the authority tells agents to ask for news every second, not every thirty.
    pub refresh_each_second: bool,
    /// Options of every command of both homes.
    pub options: Vec<String>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            agent: agent::CONFIG.to_owned(),
            refresh_each_second: false,
            options: Vec::new(),
        }
    }
}

/// All of it, in a folder that goes when it does.
pub struct Town {
    /// The authority, running.
    pub authority: Authority,
    /// The agent of `photos`, running.
    pub agent: Agent,
    /// The home of the first operator.
    pub admin: Cli,
    /// The home of alice, who is logged in and may call `photos`.
    pub alice: Cli,
    /// alice's API key.
    pub api_key: String,
    /// The join token that the agent used.
    pub join_token: String,
    folder: Folder,
}

impl Town {
    /// With the usual settings.
    ///
    /// # Errors
    /// Where a step fails.
    pub fn new() -> Result<Self> {
        Self::with(&Setting::default())
    }

    /// With settings of one's own.
    ///
    /// # Errors
    /// Where a step fails.
    pub fn with(setting: &Setting) -> Result<Self> {
        let folder = Folder::new()?;
        let home = |name| Cli {
            options: setting.options.clone(),
            ..Cli::new(folder.path(), name)
        };
        let admin = home("admin");
        let mut authority = Authority::init(folder.path(), &admin)?;
        if setting.refresh_each_second {
            authority.refresh_each_second()?;
        }
        authority.start()?;
        let mut agent = Agent::new(folder.path(), "agent", &setting.agent)?;
        let join_token = admit(&admin, "photos")?;
        agent.start(Some(&join_token))?;
        let alice = home("alice");
        let api_key = welcome(&admin, &alice, "alice", "photos")?;
        Ok(Self {
            authority,
            agent,
            admin,
            alice,
            api_key,
            join_token,
            folder,
        })
    }

    /// The folder of it all; logs are in `logs`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where all logs are.
    pub fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// The operator's calls.
    ///
    /// # Errors
    /// Where the home has no operator.
    pub fn operator(&self) -> Result<api::Operator> {
        api::Operator::of_home(&self.admin.home)
    }

    /// alice's key for `photos`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn key(&self) -> Result<UserKey> {
        let text = self.alice.ok(&["key", "export", "photos"], "")?;
        UserKey::parse_text(&text).context("the exported key")
    }
}

/// A folder that goes with its story. `CATTERY_KEEP` keeps it, to look at the logs.
pub struct Folder(Option<TempDir>, PathBuf);

impl Folder {
    /// Short: the path of a Unix socket has little room.
    ///
    /// # Errors
    /// Where there is no room.
    pub fn new() -> Result<Self> {
        let temp = tempfile::Builder::new().prefix("cat-").tempdir_in("/tmp")?;
        let path = temp.path().to_owned();
        if std::env::var_os("CATTERY_KEEP").is_some() {
            let _ = temp.keep();
            return Ok(Self(None, path));
        }
        Ok(Self(Some(temp), path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.as_ref().map_or(&self.1, |temp| temp.path())
    }
}

/// Registers a service: a join token for its agent.
///
/// # Errors
/// Where a step fails.
pub fn admit(admin: &Cli, service: &str) -> Result<String> {
    admin.ok(&["service", "add", service], "")?;
    admin.ok(&["service", "join-token", service], "")
}

/// Registers a user who may call a service, and logs them in: their API key.
///
/// # Errors
/// Where a step fails.
pub fn welcome(admin: &Cli, home: &Cli, name: &str, service: &str) -> Result<String> {
    admin.ok(&["user", "add", name], "")?;
    admin.ok(&["grant", "add", &format!("user/{name}"), service], "")?;
    let api_key = admin.ok(&["user", "api-key", "create", name], "")?;
    home.ok(&["login"], &api_key)?;
    Ok(api_key)
}

/// A token for five minutes, signed here.
///
/// # Errors
/// Where the key cannot sign.
pub fn mint(key: &UserKey) -> Result<String> {
    let now = now()?;
    let mut token = String::new();
    key.mint(
        &TokenSpec {
            not_before: now,
            not_after: now + 300,
            token_id: rand::random(),
            ..TokenSpec::default()
        },
        &mut token,
    )?;
    Ok(token)
}

/// Unix seconds.
///
/// # Errors
/// Where the clock is before 1970.
pub fn now() -> Result<u64> {
    Ok(std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs())
}
