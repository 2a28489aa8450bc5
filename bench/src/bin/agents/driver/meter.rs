//! What the authority and the agents spend on processors.

use anyhow::Result;
use cattery_report::process::processor_seconds;
use serde::Serialize;

/// What two processes spent on processors since a moment.
pub(super) struct Meter {
    processes: [u32; 2],
    before: [f64; 2],
}

/// Seconds that both spent on processors: where they share a machine with others, these say more than the time on the wall.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Processors {
    pub(super) authority_s: f64,
    /// All agents together.
    pub(super) agents_s: f64,
}

impl Meter {
    /// Counts from now on.
    ///
    /// # Errors
    /// Where one of them has ended.
    pub(super) fn start(authority: u32, agents: u32) -> Result<Self> {
        Ok(Self {
            processes: [authority, agents],
            before: [processor_seconds(authority)?, processor_seconds(agents)?],
        })
    }

    /// What it was since then.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(super) fn read(&self) -> Result<Processors> {
        let [authority, agents] = self.processes;
        Ok(Processors {
            authority_s: processor_seconds(authority)? - self.before[0],
            agents_s: processor_seconds(agents)? - self.before[1],
        })
    }
}
