//! `cattery dev`: the whole of it in one process.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{process::Process, programs::Program, wait};

/// A running `cattery dev`.
pub struct Dev {
    /// The process.
    pub process: Process,
    /// The JSON object that it printed.
    pub said: Value,
}

impl Dev {
    /// Starts it with `--output json`, and waits for the object.
    ///
    /// # Errors
    /// Where it ends instead.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &[])
    }

    /// The same, with more options.
    ///
    /// # Errors
    /// Where it ends instead.
    pub fn start_with(folder: &Path, options: &[&str]) -> Result<Self> {
        let mut command = Program::Cli.command()?;
        command
            .args(["--output", "json"])
            .args(options)
            .arg("dev")
            .env("HOME", folder)
            .env("TMPDIR", folder);
        let mut process = Process::start("dev", command, &folder.join("logs"), None)?;
        let said = wait::until("cattery dev says what runs where", || {
            process.expect_running()?;
            Ok(serde_json::from_str(&process.out()).ok())
        })?;
        Ok(Self { process, said })
    }

    /// One of its entries.
    ///
    /// # Errors
    /// Where there is no such text.
    pub fn entry(&self, name: &str) -> Result<&str> {
        self.said[name]
            .as_str()
            .with_context(|| format!("no {name} in {}", self.said))
    }

    /// The address in an entry that is a URL.
    ///
    /// # Errors
    /// Where it is none.
    pub fn address(&self, name: &str) -> Result<SocketAddr> {
        let url = self.entry(name)?;
        let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
        let address = behind.split('/').next().unwrap_or(behind);
        address.parse().with_context(|| format!("{name} is {url}"))
    }
}
