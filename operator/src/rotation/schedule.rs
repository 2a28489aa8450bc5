//! Where keys are in their lives, as an authority tells it.

use cattery_proto::v1::{self, EpochState};
use serde::Serialize;

use super::agents::Behind;
use crate::clock;

/// The keys of the cluster or of a service. Serialized, it is what programs read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Schedule {
    /// The service; none for the cluster.
    pub(crate) service: Option<String>,
    /// Newest first.
    pub(crate) keys: Vec<Key>,
    /// Agents that were heard of within their outage budget.
    pub(crate) live_agent_count: u32,
    /// How many of them hold the newest key.
    pub(crate) holding_count: u32,
    /// Those that do not; a hundred of them at most.
    pub(crate) behind: Vec<Behind>,
    /// When the draining key can be retired, Unix seconds.
    pub(crate) retires_at: Option<u64>,
    /// When the next rotation is due by itself, Unix seconds; none where rotation is not automatic.
    pub(crate) rotates_at: Option<u64>,
    /// Whether that is later than it should be.
    pub(crate) overdue: bool,
    /// The authority's clock, Unix seconds.
    pub(crate) server_time: u64,
}

/// One key's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Key {
    pub(crate) number: u32,
    pub(crate) state: State,
    pub(crate) created_at: Option<u64>,
    pub(crate) activated_at: Option<u64>,
    pub(crate) not_after: Option<u64>,
    pub(crate) retired_at: Option<u64>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Prepared,
    Active,
    Draining,
    Retired,
    /// An authority that is newer than this program may know more of them.
    Unknown,
}

impl State {
    /// As messages carry it.
    pub(crate) fn of(state: i32) -> Self {
        match EpochState::try_from(state) {
            Ok(EpochState::Prepared) => Self::Prepared,
            Ok(EpochState::Active) => Self::Active,
            Ok(EpochState::Draining) => Self::Draining,
            Ok(EpochState::Retired) => Self::Retired,
            Ok(EpochState::Unspecified) | Err(_) => Self::Unknown,
        }
    }

    /// As people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Retired => "retired",
            Self::Unknown => "unknown",
        }
    }
}

impl Schedule {
    /// The number of the prepared key.
    pub(crate) fn prepared(&self) -> Option<u32> {
        self.number_of(State::Prepared)
    }

    /// The number of the active key.
    pub(crate) fn active(&self) -> Option<u32> {
        self.number_of(State::Active)
    }

    /// The number of the draining key.
    pub(crate) fn draining(&self) -> Option<u32> {
        self.number_of(State::Draining)
    }

    /// The newest key that is not retired: what live agents should hold.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.prepared().or(self.active())
    }

    /// Whether a key is retired, or was so long ago that nobody remembers it.
    pub(crate) fn is_retired(&self, number: u32) -> bool {
        self.keys
            .iter()
            .find(|key| key.number == number)
            .is_none_or(|key| key.state == State::Retired)
    }

    /// How many live agents lack the newest key.
    pub(crate) fn behind_count(&self) -> u32 {
        self.live_agent_count.saturating_sub(self.holding_count)
    }

    /// Whether the draining key's time is over.
    pub(crate) fn is_drained(&self) -> bool {
        self.retires_at.is_none_or(|at| self.server_time >= at)
    }

    fn number_of(&self, state: State) -> Option<u32> {
        self.keys
            .iter()
            .find(|key| key.state == state)
            .map(|key| key.number)
    }
}

impl From<v1::KeySchedule> for Schedule {
    fn from(schedule: v1::KeySchedule) -> Self {
        Self {
            service: Some(schedule.service).filter(|service| !service.is_empty()),
            keys: schedule.keys.into_iter().map(Key::from).collect(),
            live_agent_count: schedule.live_agents,
            holding_count: schedule.holding,
            behind: schedule.behind.into_iter().map(Behind::from).collect(),
            retires_at: clock::some(schedule.retires_at),
            rotates_at: clock::some(schedule.rotates_at),
            overdue: schedule.overdue,
            server_time: schedule.server_time,
        }
    }
}

impl From<v1::ScheduledKey> for Key {
    fn from(key: v1::ScheduledKey) -> Self {
        Self {
            number: key.number,
            state: State::of(key.state),
            created_at: clock::some(key.created_at),
            activated_at: clock::some(key.activated_at),
            not_after: clock::some(key.not_after),
            retired_at: clock::some(key.retired_at),
        }
    }
}
