//! The groups of measurements: a page of the report each.

use anyhow::Result;
use cattery_report::Page;
use clap::ValueEnum;

use crate::{cache, core, envoy, in_process};

/// What is measured together.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Group {
    /// Verifying, minting and narrowing, over the floor that the hash sets
    Core,
    /// Requests through Envoy, with the agent and without
    Envoy,
    /// Keeping users' keys against deriving them again
    Cache,
    /// Verifying in the application's own process, over the core
    InProcess,
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
            Self::Envoy => envoy::measure(smoke),
            Self::Cache => cache::measure(smoke),
            Self::InProcess => in_process::measure(smoke),
        }
    }
}
