//! Clients of a KDC: processes of `client.c`, which each ask for one thing at a time.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::kdc::{Kdc, SERVICE, command};

const SOURCE: &str = include_str!("client.c");
/// Enough that the KDC never waits for a client.
pub(in crate::authority) const CLIENTS: usize = 8;

/// All of them. They go with this.
pub(super) struct Clients(Vec<Client>);

struct Client {
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    process: Child,
}

impl Clients {
    /// Compiles the program, and starts it for each part of the users.
    ///
    /// # Errors
    /// There is no C compiler, or no `libkrb5-dev`.
    pub(super) fn start(kdc: &Kdc, users: &[String]) -> Result<Self> {
        let program = compile(kdc.folder())?;
        let program = program.to_string_lossy();
        let parts = users.chunks(users.len().div_ceil(CLIENTS));
        let client = |users: &[String]| {
            let mut process = command(kdc.folder(), &program)
                .arg(kdc.keytab())
                .arg(SERVICE)
                .args(users)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("starting a client")?;
            let answers = process.stdout.take().context("its standard output")?;
            Ok(Client {
                orders: process.stdin.take(),
                answers: BufReader::new(answers),
                process,
            })
        };
        Ok(Self(parts.map(client).collect::<Result<_>>()?))
    }

    /// Their process ids.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.0.iter().map(|client| client.process.id()).collect()
    }

    /// All do the same for so long: how often it was done, and how long the last one was at it.
    ///
    /// # Errors
    /// One of them ends.
    pub(super) fn obey(&mut self, order: &str, length: Duration) -> Result<(u64, Duration)> {
        for client in &mut self.0 {
            let orders = client.orders.as_mut().context("a client's input")?;
            writeln!(orders, "{order} {}", length.as_millis()).context("a client ended")?;
        }
        let (mut done, mut took) = (0, Duration::ZERO);
        for client in &mut self.0 {
            let mut line = String::new();
            client.answers.read_line(&mut line)?;
            let (exchanges, microseconds) = line
                .trim()
                .split_once(' ')
                .context("a client ended: standard error says why")?;
            done += exchanges.parse::<u64>()?;
            took = took.max(Duration::from_micros(microseconds.parse()?));
        }
        Ok((done, took))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.process.wait();
    }
}

fn compile(folder: &Path) -> Result<PathBuf> {
    let (source, program) = (folder.join("client.c"), folder.join("client"));
    fs::write(&source, SOURCE)?;
    let output = Command::new("cc")
        .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-o"])
        .args([&program, &source])
        .arg("-lkrb5")
        .output()
        .context("starting cc")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "a client of Kerberos cannot be compiled; Debian's libkrb5-dev is needed: {said}"
    );
    Ok(program)
}
