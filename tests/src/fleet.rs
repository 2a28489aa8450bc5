//! A cluster as it is operated: etcd with three members, three authorities, six agents of three services, and one network namespace
//! whose cable can be pulled.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    agent::Agent,
    authority::Authority,
    cli::Cli,
    etcd::{Etcd, Version},
    netns::Namespace,
    ports,
    town::{self, Folder},
};

/// The service of each agent.
pub const SERVICES: [&str; 6] = ["photos", "photos", "photos", "mail", "mail", "docs"];
/// The number of the agent at the other end of the cable.
pub const REMOTE: usize = 2;

/// Where the cluster is in etcd.
const PREFIX: &str = "/fleet/";

/// What is configured otherwise than usual.
pub struct Periods {
    /// The greatest lease, seconds.
    pub lease: u64,
    /// The leeway between clocks, seconds.
    pub leeway: u64,
    /// The agents' outage budget, seconds.
    pub budget: u64,
}

/// All of it.
pub struct Fleet {
    /// Three members.
    pub etcd: Etcd,
    /// Three authorities.
    pub authorities: Vec<Authority>,
    /// One agent for each of [`SERVICES`].
    pub agents: Vec<Agent>,
    /// The home of the first operator.
    pub admin: Cli,
    /// Where agent [`REMOTE`] runs.
    pub namespace: Namespace,
    folder: Folder,
}

impl Fleet {
    /// Starts all of it.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn start(periods: &Periods) -> Result<Self> {
        let folder = Folder::new()?;
        let namespace = Namespace::new()?;
        let etcd = Etcd::cluster(Version::V3_5, folder.path(), 3).await?;
        let admin = Cli::new(folder.path(), "admin");
        let mut authorities = vec![first(folder.path(), &admin, &etcd, &namespace, periods)?];
        for number in 2..=3 {
            authorities.push(another(folder.path(), &authorities[0], &namespace, number)?);
        }
        for authority in &mut authorities {
            authority.start()?;
        }
        let mut fleet = Self {
            etcd,
            authorities,
            agents: Vec::new(),
            admin,
            namespace,
            folder,
        };
        fleet.start_agents(periods)?;
        Ok(fleet)
    }

    fn start_agents(&mut self, periods: &Periods) -> Result<()> {
        let config = format!(
            "http = \"127.0.0.1:0\"\noutage_budget_seconds = {}\n[verify]\nleeway_seconds = {}\n[log]\nlevel = \"info\"\n",
            periods.budget, periods.leeway
        );
        for (number, service) in SERVICES.into_iter().enumerate() {
            let join_token = match number {
                0 | 3 | 5 => town::admit(&self.admin, service)?,
                _ => self.admin.ok(&["service", "join-token", service], "")?,
            };
            let mut agent = Agent::new(self.folder.path(), &format!("agent-{number}"), &config)?;
            if number == REMOTE {
                let command = self.namespace.wrap(&agent.command(true)?);
                agent.spawn_as(command, Some(&join_token))?;
            } else {
                agent.start(Some(&join_token))?;
            }
            self.agents.push(agent);
        }
        Ok(())
    }

    /// The folder of it all.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The number of the authority that leads, by what etcd has.
    ///
    /// # Errors
    /// Where etcd cannot be asked.
    pub async fn leader(&self) -> Result<Option<usize>> {
        let mut client = self.etcd.client().await?;
        let found = client.get(format!("{PREFIX}leader"), None).await?;
        let Some(leader) = found.kvs().first() else {
            return Ok(None);
        };
        let leader = leader.value_str()?;
        Ok(self
            .authorities
            .iter()
            .position(|authority| id(&authority.dir) == leader))
    }
}

/// The id of the authority in a directory.
fn id(dir: &Path) -> String {
    dir.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn first(
    folder: &Path,
    admin: &Cli,
    etcd: &Etcd,
    namespace: &Namespace,
    periods: &Periods,
) -> Result<Authority> {
    let listen = (namespace.host, ports::free()?.port()).into();
    let endpoints = etcd.endpoints().join(",");
    let args = ["--store-etcd", &endpoints, "--store-prefix", PREFIX];
    let mut authority = Authority::init_at(folder, admin, listen, &args, "")?;
    let dir = folder.join("authority-1");
    fs::rename(&authority.dir, &dir)?;
    authority.dir = dir;
    authority.logs = folder.join("logs/authority-1");
    authority.edit(|text| {
        text.replace("filter = \"trace\"", "filter = \"info\"")
            .replace(
                "max_lease = \"1d\"",
                &format!("max_lease = \"{}s\"", periods.lease),
            )
            .replace(
                "leeway = \"30s\"",
                &format!("leeway = \"{}s\"", periods.leeway),
            )
            .replace("rotation_period = \"30d\"", "rotation_period = \"off\"")
    })?;
    Ok(authority)
}

fn another(
    folder: &Path,
    first: &Authority,
    namespace: &Namespace,
    number: usize,
) -> Result<Authority> {
    let name = format!("authority-{number}");
    let dir = folder.join(&name);
    fs::create_dir(&dir)?;
    fs::set_permissions(&dir, fs::metadata(&first.dir)?.permissions())?;
    for file in ["authority.toml", "master.key"] {
        let (from, to): (PathBuf, PathBuf) = (first.dir.join(file), dir.join(file));
        fs::copy(&from, &to).with_context(|| from.display().to_string())?;
    }
    let addr = (namespace.host, ports::free()?.port()).into();
    let authority = Authority {
        dir,
        addr,
        logs: folder.join("logs").join(&name),
        process: None,
    };
    authority.edit(|text| {
        text.replace("\"authority-1\"", &format!("\"{name}\""))
            .replace(&first.addr.to_string(), &addr.to_string())
    })?;
    Ok(authority)
}
