//! Agents that do not hold the newest key.

use cattery_proto::v1;
use serde::Serialize;

use crate::{clock, out, plain::plain};

/// Characters of an id that is cut short.
const SHORT: usize = 8;

/// A live agent that does not hold the newest key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Behind {
    pub(crate) agent_id: String,
    pub(crate) service: String,
    /// When an authority last heard from it, Unix seconds.
    pub(crate) last_contact: Option<u64>,
    /// Until when it goes on with what it has, Unix seconds.
    pub(crate) until: Option<u64>,
}

impl Behind {
    /// `agent 0f3c of photos`.
    pub(crate) fn name(&self) -> String {
        format!(
            "agent {} of {}",
            plain(&self.agent_id),
            plain(&self.service)
        )
    }

    /// `agent 0f3c9a71… of photos`: enough of an id to tell agents apart, where there is little room.
    pub(crate) fn short_name(&self) -> String {
        let id = match self.agent_id.char_indices().nth(SHORT) {
            Some((end, _)) => format!("{}…", plain(&self.agent_id[..end])),
            None => plain(&self.agent_id),
        };
        format!("agent {id} of {}", plain(&self.service))
    }

    /// `last heard 2026-01-31T12:00:00Z, goes on until 2026-02-01T00:00:00Z`.
    pub(crate) fn times(&self) -> String {
        format!(
            "{}, goes on until {}",
            heard(self.last_contact),
            self.until
                .map_or_else(|| "nobody knows when".to_owned(), clock::absolute)
        )
    }
}

/// When somebody was last heard, in absolute time.
pub(crate) fn heard(last_contact: Option<u64>) -> String {
    last_contact.map_or_else(
        || "not heard yet".to_owned(),
        |at| format!("last heard {}", clock::absolute(at)),
    )
}

/// One line for each agent, and one for those that were not named.
pub(crate) fn lines(agents: &[Behind], count: u32) -> Vec<String> {
    let mut lines: Vec<String> = agents
        .iter()
        .map(|agent| format!("  {}, {}", agent.name(), agent.times()))
        .collect();
    if let Some(more) = more(agents.len(), count) {
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// How many are not among the `named` ones.
pub(crate) fn more(named: usize, count: u32) -> Option<u32> {
    let named = u32::try_from(named).unwrap_or(u32::MAX);
    count.checked_sub(named).filter(|more| *more > 0)
}

/// `1 agent`, `2 agents`.
pub(crate) fn counted(count: u32) -> String {
    out::counted(count, "agent")
}

impl From<v1::AgentBehind> for Behind {
    fn from(agent: v1::AgentBehind) -> Self {
        Self {
            agent_id: agent.agent_id,
            service: agent.service,
            last_contact: clock::some(agent.last_contact),
            until: clock::some(agent.until),
        }
    }
}
