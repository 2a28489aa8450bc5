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

const TIMING: Timing = Timing {
    leeway: 1,
    confirmed: 1,
    session: 1,
};

/// Leases and the end of an epoch: two authorities, clocks, sessions, old views. Agents hear everything at once, which is the worst
/// that can happen to a lease.
pub(crate) const LEASES: Scope = Scope {
    name: "leases",
    timing: TIMING,
    budget: 1,
    granularity: 1,
    lease: Some(1),
    rotations: 2,
    restore: false,
    commands: &ALL,
    removed: None,
};

/// Agents that are slow, cut off and restarted, against activation: two authorities, reordered answers. Authorities' views are as old as they like.
pub(crate) const AGENTS: Scope = Scope {
    name: "agents",
    lease: None,
    rotations: 1,
    ..LEASES
};

/// The same over one restore from a backup.
pub(crate) const RESTORE: Scope = Scope {
    name: "restore",
    restore: true,
    commands: &[Command::Prepare, Command::Activate { force: false }],
    ..AGENTS
};
