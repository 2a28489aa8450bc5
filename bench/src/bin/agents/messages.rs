//! What the measuring process and the agents' process say to each other: JSON, a message a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{moment::Moment, spread::Spread};

/// What the agents are told to do, one after the other.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// SECRET. A new agent for each of these join tokens: they enrol, and stay silent.
    Enrol(Vec<String>),
    /// All agents connect, at the same time.
    Connect,
    /// Wait until each agent was answered on a stream that it opened after this moment, and holds keys.
    AwaitContact(Moment),
    /// Wait until each agent holds a key of this epoch; count from this moment.
    AwaitEpoch(u32, Moment),
    /// Wait until the authority has answered each agent's acknowledgement of this place, by incarnation and sequence; count from this moment.
    AwaitPosition(u64, u64, Moment),
    /// All agents go.
    Disconnect,
}

/// What they say to that.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// How far they are. Others follow.
    Progress {
        /// Agents that are.
        done: usize,
        /// All of them.
        of: usize,
    },
    /// It is done.
    Done(Done),
    /// It cannot be done: why.
    Failed(String),
}

/// What came of an order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Done {
    /// When the agents were there; all zero for an order that waits for none.
    pub(crate) spread: Spread,
    /// What was tried since the last order.
    pub(crate) attempts: Attempts,
}

/// Calls and streams that agents began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Attempts {
    /// All of them.
    pub(crate) begun: u64,
    /// Those that ended in a way that is meant to be tried again: how, and how many.
    pub(crate) retried: BTreeMap<String, u64>,
    /// Those that ended in any other way. There have to be none.
    pub(crate) for_good: BTreeMap<String, u64>,
}

impl Attempts {
    /// Counts others, too.
    pub(crate) fn add(&mut self, others: Self) {
        self.begun += others.begun;
        for (how, count) in others.retried {
            *self.retried.entry(how).or_default() += count;
        }
        for (how, count) in others.for_good {
            *self.for_good.entry(how).or_default() += count;
        }
    }

    /// How many were refused and tried again.
    pub(crate) fn retries(&self) -> u64 {
        self.retried.values().sum()
    }
}
