//! A real authority, and real agents of one service.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use cattery_bench::{Cluster, Store};
use cattery_core::UserKey;
use cattery_proto::v1::agent_client::AgentClient;
use cattery_tests::{agent::Agent, api, cli::Cli, town::welcome};
use tokio::time::sleep;
use tonic::transport::Channel;

const SERVICE: &str = "photos";
/// Remembers more than are used: nothing is refused for want of room.
const CAPACITY: usize = 1 << 22;

/// All of it, in a folder that goes when it does.
pub(super) struct Place {
    pub(super) key: Arc<UserKey>,
    agents: Vec<Agent>,
    cluster: Cluster,
}

impl Place {
    /// Starts it, without agents.
    ///
    /// # Errors
    /// Where a step fails.
    pub(super) async fn start(store: Store) -> Result<Self> {
        let cluster = Cluster::start(store).await?;
        let admin = &cluster.admin;
        admin.ok(&["service", "add", SERVICE], "")?;
        let alice = Cli::new(cluster.folder(), "alice");
        welcome(admin, &alice, "alice", SERVICE)?;
        let key = alice.ok(&["key", "export", SERVICE], "")?;
        let key = UserKey::parse_text(&key).context("the exported key")?;
        Ok(Self {
            key: Arc::new(key),
            agents: Vec::new(),
            cluster,
        })
    }

    /// Starts an agent, whose memory of single uses is `shared` with others or its own.
    ///
    /// # Errors
    /// Where it does not start.
    pub(super) fn agent(&mut self, name: &str, shared: bool) -> Result<AgentClient<Channel>> {
        let admin = &self.cluster.admin;
        let join_token = admin.ok(&["service", "join-token", SERVICE], "")?;
        let config = format!(
            "http = \"127.0.0.1:0\"\n[verify]\nleeway_seconds = 0\n\
             [single_use]\ncapacity = {CAPACITY}\nshared = {shared}\n"
        );
        let mut agent = Agent::new(self.cluster.folder(), name, &config)?;
        agent.start(Some(&join_token))?;
        let client = api::agent(&agent.socket)?;
        self.agents.push(agent);
        Ok(client)
    }
}

/// What was minted in the second of an agent's start may have been used before it: waits until that is over.
pub(super) async fn settle() {
    sleep(Duration::from_millis(1_100)).await;
}
