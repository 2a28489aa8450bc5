//! What this program is besides: servers to measure beside, each in a process of its own, which it starts itself.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use cattery_tests::{process::Process, wait};
use clap::Subcommand;

use crate::{agent, envoy};

/// Such a server.
#[derive(Subcommand)]
#[command(hide = true)]
pub(crate) enum Role {
    /// A service behind a proxy; its address is on standard output
    Upstream,
    /// Answers each question of `ext_authz` with what is in a file
    ExtAuthzEcho { socket: PathBuf, answer: PathBuf },
    /// Answers as an agent does, with what is in files of a folder, and looks at nothing
    Bare { folder: PathBuf },
}

impl Role {
    /// Serves until it is killed.
    pub(crate) fn play(&self) -> Result<()> {
        match self {
            Self::Upstream => envoy::upstream::run(),
            Self::ExtAuthzEcho { socket, answer } => envoy::echo::run(socket, answer),
            Self::Bare { folder } => agent::serve_bare(folder),
        }
    }
}

/// Starts this program with these arguments. Its logs go into the folder.
pub(crate) fn start(args: &[&str], logs: &Path) -> Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args);
    let name = args.first().context("a role")?;
    Process::start(name, command, logs, None)
}

/// The address that it says it listens at.
pub(crate) fn address(process: &mut Process) -> Result<SocketAddr> {
    wait::until("it listens", || {
        process.expect_running()?;
        Ok(process.out().trim().parse().ok())
    })
}
