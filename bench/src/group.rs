//! The groups of measurements: a page of the report each.

use anyhow::Result;
use cattery_report::Page;
use clap::ValueEnum;

use crate::{agent, core};

/// What is measured together.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Group {
    /// Verifying, minting and narrowing, over the floor that the hash sets
    Core,
    /// The agent, beside a server that answers the same and looks at nothing
    Agent,
    /// The agent for ten minutes at half of its capacity
    Steady,
}

impl Group {
    /// As it is given on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Measures it. `smoke` is for trying out whether it can be measured.
    pub(crate) fn measure(self, smoke: bool) -> Result<Page> {
        match self {
            Self::Core => core::measure(smoke),
            Self::Agent => agent::measure(smoke),
            Self::Steady => agent::steady::measure(smoke),
        }
    }
}
