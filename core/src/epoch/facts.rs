//! What a step is decided on.

use super::command::LeftBehind;

/// What an authority knows when it decides a step. It reads the line first, then its clock and the agents.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Unix seconds by the authority's clock.
    pub now: u64,
    /// The sequence number that this change will have in the feed (changes that agents hear of).
    pub position: u64,
    /// Unix seconds by which every lease ends that this authority could issue now: `now` + the greatest lease in use.
    pub leases_end: u64,
    /// All agents that hold keys of this line: the cluster's, or the service's.
    pub agents: &'a [AgentView<'a>],
}

/// What the store knows about an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentView<'a> {
    /// Its agent ID.
    pub id: &'a str,
    /// Unix seconds; see [`live_until`](super::live_until).
    pub live_until: u64,
    /// The sequence number in the feed up to which it acknowledged to hold everything, 0 for none; see
    /// [`Position::sequence_in`](super::Position::sequence_in).
    pub acknowledged: u64,
}

/// The agents that are live at `now` and have not acknowledged `position`, and until when.
pub fn behind(agents: &[AgentView<'_>], position: u64, now: u64) -> Vec<LeftBehind> {
    live(agents, now)
        .filter(|agent| agent.acknowledged < position)
        .map(AgentView::left_behind)
        .collect()
}

pub(super) fn live<'a>(
    agents: &'a [AgentView<'a>],
    now: u64,
) -> impl Iterator<Item = &'a AgentView<'a>> {
    agents.iter().filter(move |agent| agent.live_until >= now)
}

impl AgentView<'_> {
    pub(super) fn left_behind(&self) -> LeftBehind {
        LeftBehind {
            id: self.id.to_owned(),
            until: self.live_until,
        }
    }
}
