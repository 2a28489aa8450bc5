//! The groups of measurements: a page of the report each.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    agent, authority, cache, constant_time, core, envoy, in_process, once, peers, program, scale,
};

/// What is measured together.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Group {
    /// Verifying, minting and narrowing, over the floor that the hash sets
    Core,
    /// Whether time tells something of a secret
    ConstantTime,
    /// Verifying and minting beside JWT, Fernet, PASETO, macaroons and biscuits
    Peers,
    /// The agent, beside a server that answers the same and looks at nothing
    Agent,
    /// The agent for ten minutes at half of its capacity
    Steady,
    /// Requests through Envoy, with the agent and without
    Envoy,
    /// Keeping users' keys against deriving them again
    Cache,
    /// Verifying in the application's own process, over the core
    InProcess,
    /// Leases, enrolments, ten thousand agents and a million users, beside MIT Kerberos
    Authority,
    /// The set of revoked ids, up to ten million
    Revoked,
    /// What binding and single use cost
    Once,
    /// Arithmetic for a fleet that is too large to run, from the others' figures
    Scale,
}

impl Group {
    /// As it is given on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Measures it and writes its page. `smoke` is for trying out whether it can be measured.
    pub(crate) fn write(self, smoke: bool, out: &Path) -> Result<()> {
        let page = match self {
            Self::Core => core::measure(smoke),
            Self::ConstantTime => constant_time::measure(smoke),
            Self::Peers => return peers::write(smoke, out),
            Self::Agent => agent::measure(smoke),
            Self::Steady => agent::steady::measure(smoke),
            Self::Envoy => envoy::measure(smoke),
            Self::Cache => cache::measure(smoke),
            Self::InProcess => in_process::measure(smoke),
            Self::Authority => authority::measure(smoke),
            Self::Revoked => {
                let few: &[&str] = if smoke {
                    &["--entries", "0,1000", "--peer", "1000"]
                } else {
                    &[]
                };
                return program::write("revoked", few, out);
            }
            Self::Once => once::measure(smoke),
            Self::Scale => scale::measure(out),
        }?;
        let name = self.name();
        page.write(&name, &format!("bench/run {name}"), out)
    }
}
