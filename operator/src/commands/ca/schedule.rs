//! The CAs, as an authority tells of them.

use anyhow::Context as _;
use cattery_proto::v1::{self, EpochState};
use serde::Serialize;

use crate::{
    clock,
    out::{counted, table},
    rotation::{Behind, agent_lines},
};

/// The CAs that are trusted, and what the next step waits for.
#[derive(Serialize)]
pub(super) struct Schedule {
    /// Newest first.
    cas: Vec<Ca>,
    /// When the prepared one can sign, once every live agent knows it.
    activates_at: Option<u64>,
    live_agents: u32,
    /// How many of them know the newest one.
    knowing: u32,
    behind: Vec<Behind>,
    /// When the draining one can go, if nobody needs it.
    retires_at: Option<u64>,
    needs: Option<Needs>,
    server_time: u64,
}

#[derive(Serialize)]
struct Ca {
    number: u32,
    state: &'static str,
    sha256: String,
    not_before: u64,
    not_after: u64,
    since: u64,
}

/// Who needs the CA that signs no more.
#[derive(Serialize)]
struct Needs {
    agents: u32,
    operators: u32,
    api_keys: u32,
    join_tokens: u32,
    until: Option<u64>,
}

impl Schedule {
    pub(super) fn read(schedule: Option<v1::CaSchedule>) -> anyhow::Result<Self> {
        let schedule = schedule.context("the authority's answer holds no CAs")?;
        Ok(Self {
            cas: schedule.cas.iter().map(Ca::of).collect(),
            activates_at: clock::some(schedule.activates_at),
            live_agents: schedule.live_agents,
            knowing: schedule.knowing,
            behind: schedule.behind.into_iter().map(Behind::from).collect(),
            retires_at: clock::some(schedule.retires_at),
            needs: schedule.needs.map(|needs| Needs {
                agents: needs.agents,
                operators: needs.operators,
                api_keys: needs.api_keys,
                join_tokens: needs.join_tokens,
                until: clock::some(needs.until),
            }),
            server_time: schedule.server_time,
        })
    }

    /// A table, and a sentence for each step that waits.
    pub(super) fn describe(&self) -> String {
        let header = ["CA", "state", "since", "ends", "SHA-256"];
        let rows = self.cas.iter().map(|ca| {
            [
                ca.number.to_string(),
                ca.state.to_owned(),
                clock::absolute(ca.since),
                clock::both(ca.not_after, self.server_time),
                ca.sha256.clone(),
            ]
        });
        let mut text = table(header, rows);
        if let Some(waits) = self.activation() {
            text += &format!("\n{waits}");
        }
        if let Some(need) = self.need() {
            text += &format!("\n{need}");
        }
        text + "\n"
    }

    /// What the prepared one waits for.
    fn activation(&self) -> Option<String> {
        let (ca, at) = (self.find("prepared")?, self.activates_at?);
        let when = match at > self.server_time {
            true => format!(
                "not before {}, when whoever has a lease has heard of it",
                clock::both(at, self.server_time)
            ),
            false => "as soon as every live agent has acknowledged it".to_owned(),
        };
        let (knowing, live) = (self.knowing, counted(self.live_agents, "live agent"));
        let mut text = format!(
            "CA {} signs by itself, {when}; {knowing} of {live} know it",
            ca.number
        );
        let missing = self.live_agents.saturating_sub(self.knowing);
        if missing > 0 {
            let lines = agent_lines(&self.behind, missing);
            text += &format!(". Missing:\n{}", lines.join("\n"));
        }
        Some(text)
    }

    /// Why the draining one is still trusted.
    pub(super) fn need(&self) -> Option<String> {
        let (ca, needs) = (self.find("draining")?, self.needs.as_ref()?);
        let number = ca.number;
        let until = needs.until.max(self.retires_at)?;
        if until <= self.server_time {
            return Some(format!(
                "CA {number} is needed by nobody, and goes by itself"
            ));
        }
        let until = clock::both(until, self.server_time);
        let who: Vec<String> = [
            (needs.agents, "agent"),
            (needs.operators, "operator"),
            (needs.api_keys, "API key"),
            (needs.join_tokens, "join token"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| counted(count, what))
        .collect();
        let who = match who.as_slice() {
            [] => "authorities may still show certificates of it".to_owned(),
            who => format!("it is needed by {}", who.join(", ")),
        };
        Some(format!("CA {number} stays trusted until {until}: {who}"))
    }

    fn find(&self, state: &str) -> Option<&Ca> {
        self.cas.iter().find(|ca| ca.state == state)
    }
}

impl Ca {
    fn of(ca: &v1::CertificateAuthority) -> Self {
        Self {
            number: ca.number,
            state: match ca.state() {
                EpochState::Prepared => "prepared",
                EpochState::Active => "active",
                EpochState::Draining => "draining",
                EpochState::Retired | EpochState::Unspecified => "unknown",
            },
            sha256: hex::encode(&ca.sha256),
            not_before: ca.not_before,
            not_after: ca.not_after,
            since: ca.since,
        }
    }
}
