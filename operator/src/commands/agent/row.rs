//! An agent, as lists show it.

use cattery_proto::v1;
use serde::Serialize;

use crate::clock;

/// An agent.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(super) agent_id: String,
    pub(super) service: String,
    pub(super) state: String,
    pub(super) enrolled_at: u64,
    pub(super) certificate_not_after: u64,
    pub(super) last_contact: Option<u64>,
    pub(super) holds_epoch: Option<u32>,
    pub(super) holds_generation: Option<u32>,
    pub(super) outage_budget_seconds: Option<u64>,
    pub(super) live_until: Option<u64>,
    pub(super) version: Option<String>,
}

/// What [`Row::cells`] are.
pub(crate) const HEADER: [&str; 7] = [
    "agent",
    "state",
    "holds",
    "last contact",
    "goes on until",
    "certificate until",
    "version",
];

/// What [`Row::cells_with_service`] are.
pub(super) const HEADER_WITH_SERVICE: [&str; 8] = [
    "agent",
    "service",
    "state",
    "holds",
    "last contact",
    "goes on until",
    "certificate until",
    "version",
];

impl Row {
    /// For the table of one service. `now` is the authority's clock, Unix seconds.
    pub(crate) fn cells(&self, now: u64) -> [String; 7] {
        [
            self.agent_id.clone(),
            self.standing(now).to_owned(),
            self.holds(),
            clock::cell(self.last_contact),
            clock::cell(self.live_until),
            clock::cell(self.certificate_not_after),
            self.version.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }

    /// For a table of several services.
    pub(super) fn cells_with_service(&self, now: u64) -> [String; 8] {
        let [id, state, holds, contact, until, certificate, version] = self.cells(now);
        let service = self.service.clone();
        [
            id,
            service,
            state,
            holds,
            contact,
            until,
            certificate,
            version,
        ]
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.state == "evicted"
    }

    /// One that is past its outage budget verifies nothing, though it has access.
    fn standing(&self, now: u64) -> &str {
        match self.live_until {
            Some(until) if until < now && !self.is_evicted() => "away",
            _ => &self.state,
        }
    }

    fn holds(&self) -> String {
        match (self.holds_epoch, self.holds_generation) {
            (Some(epoch), Some(generation)) => format!("epoch {epoch}, generation {generation}"),
            _ => "-".to_owned(),
        }
    }
}

impl From<v1::AgentInfo> for Row {
    fn from(agent: v1::AgentInfo) -> Self {
        // Epochs count from 1: without one, there is no generation either.
        let has_keys = agent.holds_epoch != 0;
        Self {
            agent_id: agent.agent_id,
            service: agent.service,
            state: agent.state,
            enrolled_at: agent.enrolled_at,
            certificate_not_after: agent.certificate_not_after,
            last_contact: clock::some(agent.last_contact),
            holds_epoch: has_keys.then_some(agent.holds_epoch),
            holds_generation: has_keys.then_some(agent.holds_generation),
            outage_budget_seconds: clock::some(agent.outage_budget_seconds),
            live_until: clock::some(agent.live_until),
            version: Some(agent.version).filter(|version| !version.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> v1::AgentInfo {
        v1::AgentInfo {
            agent_id: "0f3c".to_owned(),
            service: "photos".to_owned(),
            state: "active".to_owned(),
            holds_epoch: 4,
            last_contact: 900,
            live_until: 1_000,
            ..Default::default()
        }
    }

    #[test]
    fn an_agent_past_its_budget_is_away() {
        let row = Row::from(agent());
        assert_eq!(
            (row.standing(1_000), row.standing(1_001)),
            ("active", "away")
        );
        assert_eq!(row.holds(), "epoch 4, generation 0");
        let evicted = Row::from(v1::AgentInfo {
            state: "evicted".to_owned(),
            ..agent()
        });
        assert_eq!(evicted.standing(1_001), "evicted");
    }

    #[test]
    fn one_that_never_came_holds_nothing() {
        let row = Row::from(v1::AgentInfo {
            state: "active".to_owned(),
            ..Default::default()
        });
        assert_eq!((row.standing(5), row.holds().as_str()), ("active", "-"));
        assert_eq!((row.last_contact, row.version), (None, None));
    }
}
