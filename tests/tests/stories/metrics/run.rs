//! A run that Prometheus scrapes: an authority, two agents, good and bad tokens.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use cattery_core::UserKey;
use cattery_tests::{
    agent::{Agent, CONFIG},
    authority::Authority,
    cli::Cli,
    http, ports,
    prometheus::Prometheus,
    town::{Folder, admit, mint, welcome},
    wait,
};

/// All of it, in a folder that goes when it does.
pub(super) struct Run {
    pub(super) prometheus: Prometheus,
    pub(super) authority: Authority,
    /// Where the authority serves its metrics.
    pub(super) metrics: SocketAddr,
    /// Of `photos` and of `mail`.
    pub(super) agents: [Agent; 2],
    pub(super) admin: Cli,
    pub(super) alice: Cli,
    _folder: Folder,
}

impl Run {
    /// Starts all of it, and waits until each was scraped once: a rate counts from there.
    pub(super) fn start(log: &str) -> Result<Self> {
        let folder = Folder::new()?;
        let admin = Cli::new(folder.path(), "admin");
        let mut authority = Authority::init(folder.path(), &admin)?;
        let metrics = ports::free()?;
        authority.edit(|text| {
            text.replace("metrics = \"off\"", &format!("metrics = \"{metrics}\""))
                .replace("filter = \"trace\"", &format!("filter = \"{log}\""))
        })?;
        authority.refresh_each_second()?;
        authority.start()?;
        let config = CONFIG.replace("\"trace\"", &format!("\"{log}\""));
        let agent = |service: &str| -> Result<Agent> {
            let mut agent = Agent::new(folder.path(), service, &config)?;
            agent.start(Some(&admit(&admin, service)?))?;
            Ok(agent)
        };
        let agents = [agent("photos")?, agent("mail")?];
        let alice = Cli::new(folder.path(), "alice");
        welcome(&admin, &alice, "alice", "photos")?;
        let targets = [agents[0].http()?, agents[1].http()?];
        let prometheus = Prometheus::start(folder.path(), metrics, &targets)?;
        wait::until("all were scraped", || {
            Ok((prometheus.query("sum(up) == 3")?.len() == 1).then_some(()))
        })?;
        Ok(Self {
            prometheus,
            authority,
            metrics,
            agents,
            admin,
            alice,
            _folder: folder,
        })
    }

    /// alice's key for `photos`, newly fetched.
    pub(super) fn key(&self) -> Result<UserKey> {
        let text = self.alice.ok(&["key", "export", "photos"], "")?;
        UserKey::parse_text(&text).context("the exported key")
    }

    /// The page of the authority, and that of the agent of `photos`.
    pub(super) fn pages(&self) -> Result<[String; 2]> {
        let page = |address| -> Result<String> {
            let answer = http::get(address, "/metrics", &[])?;
            ensure!(answer.status == 200, "{answer:?}");
            Ok(answer.body)
        };
        Ok([page(self.metrics)?, page(self.agents[0].http()?)?])
    }
}

/// A token that nobody has signed: another's tag.
pub(super) fn forged(key: &UserKey) -> Result<String> {
    let (token, other) = (mint(key)?, mint(key)?);
    let (head, tag) = (token.len() - 20, other.len() - 20);
    Ok(format!("{}{}", &token[..head], &other[tag..]))
}
