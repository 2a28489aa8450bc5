//! Two agents of `photos` and one of `films`, and alice who may call both.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use cattery_core::UserKey;
use cattery_proto::v1::GetStatusRequest;
use cattery_tests::{
    agent::{Agent, CONFIG},
    api,
    cli::Output,
    process::Process,
    programs::Program,
    town::{Town, admit, mint},
    wait,
};
use rustix::process::Signal;
use serde_json::Value;

use crate::block_on;

/// All of it, running.
pub(super) struct Place {
    /// With the first agent of photos.
    pub(super) town: Town,
    /// The second agent of photos.
    pub(super) second: Agent,
    /// Its id.
    pub(super) second_id: String,
    /// The agent of films.
    pub(super) films: Agent,
}

impl Place {
    /// `second`: more of the second agent's configuration.
    pub(super) fn new(second: &str) -> Result<Self> {
        let town = Town::new()?;
        let (folder, admin) = (town.folder(), &town.admin);
        let more = started(folder, "second", &format!("{CONFIG}{second}"), || {
            admin.ok(&["service", "join-token", "photos"], "")
        })?;
        let films = started(folder, "films", CONFIG, || admit(admin, "films"))?;
        admin.ok(&["grant", "add", "user/alice", "films"], "")?;
        let second_id = block_on(async {
            let mut agent = api::agent(&more.socket)?;
            let status = agent.get_status(GetStatusRequest {}).await?;
            Ok(status.into_inner().agent_id)
        })?;
        let place = Self {
            town,
            second: more,
            second_id,
            films,
        };
        place.wait_held(3)?;
        Ok(place)
    }

    /// The operator's command, without a terminal, to its end.
    pub(super) fn run(&self, args: &[&str]) -> Result<Output> {
        self.town.admin.run(args, "")
    }

    /// One that has to succeed: what it prints.
    pub(super) fn ok(&self, args: &[&str]) -> Result<String> {
        self.town.admin.ok(args, "")
    }

    /// The operator's command, running. Its output goes to the logs under `name`.
    pub(super) fn start(&self, name: &str, args: &[&str]) -> Result<Process> {
        let mut command: Command = Program::Cli.command()?;
        command.arg("--home").arg(&self.town.admin.home).args(args);
        Process::start(name, command, &self.town.logs(), None)
    }

    /// The epochs, as programs read them.
    pub(super) fn epochs(&self) -> Result<Value> {
        self.town.admin.json(&["epoch", "list"], "")
    }

    /// The active epoch.
    pub(super) fn active(&self) -> Result<u64> {
        number(&self.epochs()?, "active").context("an active epoch")
    }

    /// Waits until an epoch is prepared, and so many agents hold it.
    pub(super) fn wait_held(&self, agents: u64) -> Result<()> {
        wait::until("agents hold the prepared epoch", || {
            let epochs = self.epochs()?;
            let held = epochs["holding_count"] == agents && epochs["live_agent_count"] == 3;
            Ok((number(&epochs, "prepared").is_some() && held).then_some(()))
        })
    }

    /// Turns the epochs over once while the second agent is frozen: it lacks the one that is prepared then, and nothing drains.
    /// `meanwhile` comes before the first epoch ends with its leases.
    pub(super) fn freeze_second(&self, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        self.signal_second(Signal::STOP)?;
        self.ok(&["epoch", "rotate"])?;
        meanwhile()?;
        self.ok(&["epoch", "retire", "--force"])?;
        self.wait_held(2)
    }

    /// The operator waits for the second agent, by name, and goes on waiting.
    pub(super) fn wait_named(&self, waiting: &mut Process) -> Result<()> {
        let named = format!("waiting for agent {}… of photos", &self.second_id[..8]);
        wait::until("the missing agent is named", || {
            waiting.expect_running()?;
            Ok(waiting.err().contains(&named).then_some(()))
        })
    }

    /// Sends the second agent a signal.
    pub(super) fn signal_second(&self, signal: Signal) -> Result<()> {
        let process = self.second.process.as_ref();
        process.context("the second agent runs")?.signal(signal)
    }

    /// A fresh key of alice's.
    pub(super) fn fresh_key(&self, service: &str) -> Result<UserKey> {
        block_on(async {
            let mut alice = api::User::new(&self.town.api_key)?;
            alice.key(service).await?.context("a grant")
        })
    }

    /// Checks that an agent of photos takes a key, or does as soon as it heard of what it takes.
    pub(super) fn accepts(&self, agent: &Agent, key: &UserKey) -> Result<()> {
        wait::until("the agent accepts the key", || {
            Ok((status(agent, key)? == 200).then_some(()))
        })
    }

    /// Checks that an agent refuses a key as soon as it heard of its end.
    pub(super) fn refuses(&self, agent: &Agent, key: &UserKey) -> Result<()> {
        wait::until("the agent refuses the key", || {
            Ok((status(agent, key)? == 401).then_some(()))
        })
    }
}

fn started(
    folder: &Path,
    name: &str,
    config: &str,
    token: impl FnOnce() -> Result<String>,
) -> Result<Agent> {
    let mut agent = Agent::new(folder, name, config)?;
    agent.start(Some(&token()?))?;
    Ok(agent)
}

/// What an agent says to a token that was signed with `key` just now.
pub(super) fn status(agent: &Agent, key: &UserKey) -> Result<u16> {
    Ok(agent.forward_auth(&mint(key)?)?.status)
}

/// The number of the key in this state.
pub(super) fn number(schedule: &Value, state: &str) -> Option<u64> {
    let keys = schedule["keys"].as_array()?;
    keys.iter()
        .find(|key| key["state"] == state)
        .and_then(|key| key["number"].as_u64())
}

/// Checks that a text has all of these in it.
pub(super) fn says(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(text.contains(word), "does not say {word:?}: {text}");
    }
    Ok(())
}
