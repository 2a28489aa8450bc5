//! The groups of measurements: a page of the report each.

use anyhow::Result;
use cattery_report::Page;
use clap::ValueEnum;

use crate::{authority, constant_time, core};

/// What is measured together.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Group {
    /// Verifying, minting and narrowing, over the floor that the hash sets
    Core,
    /// Whether time tells something of a secret
    ConstantTime,
    /// Leases, enrolments, ten thousand agents and a million users, beside MIT Kerberos
    Authority,
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
            Self::ConstantTime => constant_time::measure(smoke),
            Self::Authority => authority::measure(smoke),
        }
    }
}
