//! A real authority, and two real agents of one service: one that remembers by itself, and one that shares.

use std::time::Duration;

use anyhow::{Context as _, Result};
use cattery_core::UserKey;
use cattery_proto::v1::agent_client::AgentClient;
use cattery_tests::{
    agent::Agent,
    api,
    authority::Authority,
    cli::Cli,
    etcd::{Etcd, Version},
    ports,
    town::{Folder, admit, welcome},
};
use tokio::time::sleep;
use tonic::transport::Channel;

use crate::Store;

/// Remembers more than are used: nothing is refused for want of room.
const CAPACITY: usize = 1 << 22;

/// All of it, in a folder that goes when it does.
pub(crate) struct Place {
    pub(crate) key: UserKey,
    pub(crate) alone: AgentClient<Channel>,
    pub(crate) sharing: AgentClient<Channel>,
    _agents: [Agent; 2],
    _authority: Authority,
    _etcd: Option<Etcd>,
    _folder: Folder,
}

impl Place {
    /// Starts it.
    ///
    /// # Errors
    /// Where a step fails.
    pub(crate) async fn start(store: Store) -> Result<Self> {
        let folder = Folder::new()?;
        let admin = Cli::new(folder.path(), "admin");
        let etcd = match store {
            Store::Embedded => None,
            Store::Etcd => Some(Etcd::start(Version::V3_5, folder.path()).await?),
        };
        let endpoints = etcd.as_ref().map(|etcd| etcd.endpoints().join(","));
        let args = match &endpoints {
            None => vec![],
            Some(endpoints) => vec!["--store-etcd", endpoints, "--store-prefix", "/bench/"],
        };
        let mut authority = Authority::init_at(folder.path(), &admin, ports::free()?, &args, "")?;
        authority.edit(|text| text.replace("filter = \"trace\"", "filter = \"info\""))?;
        authority.start()?;
        let agent = |name: &str, shared: bool, join_token: &str| -> Result<Agent> {
            let config = format!(
                "http = \"127.0.0.1:0\"\n[verify]\nleeway_seconds = 0\n\
                 [single_use]\ncapacity = {CAPACITY}\nshared = {shared}\n"
            );
            let mut agent = Agent::new(folder.path(), name, &config)?;
            agent.start(Some(join_token))?;
            Ok(agent)
        };
        let alone = agent("alone", false, &admit(&admin, "photos")?)?;
        let join_token = admin.ok(&["service", "join-token", "photos"], "")?;
        let sharing = agent("sharing", true, &join_token)?;
        let alice = Cli::new(folder.path(), "alice");
        welcome(&admin, &alice, "alice", "photos")?;
        let key = alice.ok(&["key", "export", "photos"], "")?;
        // What was minted in the second of an agent's start may have been used before it.
        sleep(Duration::from_millis(1_100)).await;
        Ok(Self {
            key: UserKey::parse_text(&key).context("the exported key")?,
            alone: api::agent(&alone.socket)?,
            sharing: api::agent(&sharing.socket)?,
            _agents: [alone, sharing],
            _authority: authority,
            _etcd: etcd,
            _folder: folder,
        })
    }
}
