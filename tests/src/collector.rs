//! An OpenTelemetry collector that nobody of this project wrote (Rotel): it prints the spans that it gets.

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
};

use anyhow::Result;

use crate::{ports, process::Process, programs::installed, wait};

/// A running collector.
pub struct Collector {
    /// Where it takes OTLP over gRPC.
    pub addr: SocketAddr,
    process: Process,
}

impl Collector {
    /// Starts one.
    ///
    /// # Errors
    /// Where it is missing, or does not listen.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_at(folder, ports::free()?)
    }

    /// Starts one where another one was.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_at(folder: &Path, addr: SocketAddr) -> Result<Self> {
        let mut command = Command::new(installed("rotel/rotel")?);
        command.args(["start", "--exporter", "blackhole"]);
        command.args(["--debug-log", "traces", "--debug-log-verbosity", "detailed"]);
        command.args(["--otlp-grpc-endpoint", &addr.to_string()]);
        command.args(["--otlp-http-endpoint", &ports::free()?.to_string()]);
        command.env("NO_COLOR", "1").current_dir(folder);
        let mut process = Process::start("collector", command, &folder.join("logs"), None)?;
        wait::until("the collector listens", || {
            process.expect_running()?;
            Ok(TcpStream::connect(addr).ok().map(drop))
        })?;
        Ok(Self { addr, process })
    }

    /// All that it and its predecessors have printed.
    pub fn printed(&self) -> String {
        self.process.out() + &self.process.err()
    }

    /// kill -9.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill_9()
    }
}
