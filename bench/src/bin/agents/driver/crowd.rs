//! The agents' process, as seen from outside.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::progress::show;
use crate::messages::{Done, Order, Report};

/// All agents. They go with this.
pub(super) struct Crowd {
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl Crowd {
    /// Starts this program once more. It holds no agents yet.
    ///
    /// # Errors
    /// Where that is not possible.
    pub(super) fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--crowd")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the agents' process")?;
        let reports = process.stdout.take().context("its standard output")?;
        Ok(Self {
            orders: process.stdin.take().context("its standard input")?,
            reports: BufReader::new(reports).lines(),
            process,
        })
    }

    /// Its process id.
    ///
    /// # Errors
    /// Where it has ended.
    pub(super) fn id(&self) -> Result<u32> {
        self.process.id().context("the agents' process ended")
    }

    /// Gives an order, and waits until it is done. `what`: for people.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub(super) async fn obey(&mut self, what: &str, order: &Order) -> Result<Done> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line).await.context("orders")?;
        loop {
            let report = self.reports.next_line().await?;
            let report = report.context("the agents' process ended: standard error may say why")?;
            match serde_json::from_str(&report).context("a report")? {
                Report::Progress { done, of } => show(&format!("{what}: {done} of {of}")),
                Report::Done(done) => return Ok(done),
                Report::Failed(why) => bail!("{what}: {why}"),
            }
        }
    }
}
