//! The figures.

use cattery_bench::Store;
use cattery_report::process::Memory;
use serde::Serialize;

use super::meter::Processors;
use crate::{messages::Attempts, spread::Spread};

/// An authority has to stay below this while all agents are idle.
const MOST_MEMORY_KIB: u64 = 1024 * 1024;

/// All of them.
#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) store: Store,
    pub(super) services: u16,
    /// How this program was built; the authority most likely too.
    pub(super) profile: &'static str,
    /// The smaller crowd, then all agents.
    pub(super) stages: Vec<Stage>,
}

/// Those of one crowd.
#[derive(Serialize)]
pub(super) struct Stage {
    pub(super) agents: usize,
    /// Of those who came new.
    pub(super) enrolment: Enrolment,
    /// A fresh authority with nobody connected.
    pub(super) fresh: Memory,
    /// All connect at once, from the order to the last one that holds its keys.
    pub(super) storm: Arrival,
    pub(super) after_storm: Memory,
    pub(super) idle: Idle,
    pub(super) rotation: Rotation,
    pub(super) restart: Restart,
    pub(super) revocations: Revocations,
}

#[derive(Serialize)]
pub(super) struct Enrolment {
    pub(super) agents: usize,
    pub(super) join_tokens_per_second: f64,
    pub(super) agents_per_second: f64,
    pub(super) processors: Processors,
    pub(super) attempts: Attempts,
}

/// Agents that connect.
#[derive(Serialize)]
pub(super) struct Arrival {
    pub(super) spread: Spread,
    /// After a kill, without those of the authority that died.
    pub(super) processors: Processors,
    pub(super) attempts: Attempts,
}

/// Agents that send beats and nothing else.
#[derive(Serialize)]
pub(super) struct Idle {
    pub(super) memory: Memory,
    /// Of one minute.
    pub(super) processors: Processors,
    pub(super) attempts: Attempts,
}

#[derive(Serialize)]
pub(super) struct Rotation {
    /// From `prepare` to the last acknowledgement, as an operator sees it.
    pub(super) acknowledged_ms: u64,
    /// From `prepare` to the key, as agents see it.
    pub(super) news: Spread,
    pub(super) processors: Processors,
    pub(super) memory: Memory,
    pub(super) attempts: Attempts,
}

/// The authority is killed and started again.
#[derive(Serialize)]
pub(super) struct Restart {
    /// From the kill until it listens again.
    pub(super) listens_ms: u64,
    /// From the kill to the last agent that was answered.
    pub(super) back: Arrival,
    pub(super) memory: Memory,
}

/// Ids are revoked, each one once all agents know the one before.
#[derive(Serialize)]
pub(super) struct Revocations {
    pub(super) ids: u32,
    /// Of one id, from the order until the last acknowledgement is answered: on average.
    pub(super) acknowledged_ms: f64,
    /// Of all ids.
    pub(super) processors: Processors,
    pub(super) attempts: Attempts,
}

impl Stage {
    /// What the authority's processors spend on telling one agent of one revoked id, milliseconds.
    pub(super) fn revocation_ms(&self) -> f64 {
        let told = f64::from(self.revocations.ids) * self.agents as f64;
        1_000.0 * self.revocations.processors.authority_s / told
    }

    /// Memory of an idle agent at the authority, KiB.
    pub(super) fn kib_per_agent(&self) -> f64 {
        let idle = self.idle.memory.resident_kib;
        idle.saturating_sub(self.fresh.resident_kib) as f64 / self.agents as f64
    }

    /// What was tried, by the name of what it was tried for.
    pub(super) fn attempts(&self) -> [(&'static str, &Attempts); 6] {
        [
            ("enrolment", &self.enrolment.attempts),
            ("storm", &self.storm.attempts),
            ("idle", &self.idle.attempts),
            ("rotation", &self.rotation.attempts),
            ("restart", &self.restart.back.attempts),
            ("revocations", &self.revocations.attempts),
        ]
    }
}

impl Measured {
    /// What must not be, a line each.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for stage in &self.stages {
            let resident = stage.idle.memory.resident_kib;
            if resident >= MOST_MEMORY_KIB {
                failures.push(format!(
                    "the authority takes {} MiB with {} idle agents, and has to stay below {} MiB",
                    resident / 1024,
                    stage.agents,
                    MOST_MEMORY_KIB / 1024
                ));
            }
            for (what, attempts) in stage.attempts() {
                for (how, count) in &attempts.for_good {
                    failures.push(format!(
                        "{what} of {} agents: {count} times refused for good: {how}",
                        stage.agents
                    ));
                }
            }
        }
        failures
    }
}
