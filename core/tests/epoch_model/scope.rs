//! What a model covers, and its constants.

use cattery_core::epoch::{Command, Guard, Timing};

/// One model: which parts of the system move, how far, and which guard is taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    pub(crate) name: &'static str,
    pub(crate) timing: Timing,
    /// Outage budget of agents.
    pub(crate) budget: u8,
    /// How much older than a contact the stored one may be.
    pub(crate) granularity: u8,
    /// The greatest lease, and whether leases are followed at all. Without: tokens of what is active or draining are out for
    /// ever, and an epoch drains as soon as it likes; sessions never end.
    pub(crate) lease: Option<u8>,
    /// How many more numbers come after the first, and after the one of a restore.
    pub(crate) rotations: u8,
    /// Whether one restore from a backup happens.
    pub(crate) restore: bool,
    /// Whether authorities also answer agents on records as old as their view of the line.
    pub(crate) cached: bool,
    /// How many answers can be on their way to an agent at a time.
    pub(crate) answers: usize,
    /// What operators do, at any time.
    pub(crate) commands: &'static [Command],
    pub(crate) removed: Option<Guard>,
}

impl Scope {
    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.removed != Some(guard)
    }

    pub(crate) fn without(self, guard: Guard) -> Self {
        Self {
            removed: Some(guard),
            ..self
        }
    }

    pub(crate) fn leeway(&self) -> u8 {
        u8::try_from(self.timing.leeway).unwrap()
    }
}

const ALL: [Command; 6] = [
    Command::Prepare,
    Command::Activate { force: false },
    Command::Activate { force: true },
    Command::Retire { force: false },
    Command::Retire { force: true },
    Command::Replace,
];

const ORDERLY: [Command; 3] = [
    Command::Prepare,
    Command::Activate { force: false },
    Command::Retire { force: false },
];

/// Leases and the end of an epoch: clocks, sessions, old views, three rotations. Agents hear everything at once, which is the
/// worst that can happen to a lease.
pub(crate) const LEASES: Scope = Scope {
    name: "leases",
    timing: Timing {
        leeway: 1,
        confirmed: 2,
        session: 3,
    },
    budget: 1,
    granularity: 1,
    lease: Some(2),
    rotations: 3,
    restore: false,
    cached: false,
    answers: 2,
    commands: &ALL,
    removed: None,
};

/// Activation against an agent that is slow, cut off and restarted, and hears answers in any order; authorities' views are as
/// old as they like.
pub(crate) const AGENTS: Scope = Scope {
    name: "agents",
    timing: Timing {
        leeway: 1,
        confirmed: 1,
        session: 1,
    },
    lease: None,
    rotations: 1,
    ..LEASES
};

/// Two rotations in a row.
pub(crate) const TWICE: Scope = Scope {
    name: "twice",
    rotations: 2,
    answers: 1,
    commands: &ORDERLY,
    ..AGENTS
};

/// Authorities that cache agents' records.
pub(crate) const CACHED: Scope = Scope {
    name: "cached",
    cached: true,
    answers: 1,
    commands: &ORDERLY,
    ..AGENTS
};

/// Two agents; all clocks the same.
pub(crate) const PAIR: Scope = Scope {
    name: "pair",
    timing: Timing {
        leeway: 0,
        ..AGENTS.timing
    },
    granularity: 0,
    answers: 1,
    commands: &ORDERLY,
    ..AGENTS
};

/// Leases and a slow agent in one; all clocks the same.
pub(crate) const TOGETHER: Scope = Scope {
    name: "together",
    timing: PAIR.timing,
    lease: Some(1),
    granularity: 0,
    ..AGENTS
};

/// A restore in the middle of everything.
pub(crate) const RESTORE: Scope = Scope {
    name: "restore",
    restore: true,
    commands: &[Command::Prepare, Command::Activate { force: false }],
    ..AGENTS
};
