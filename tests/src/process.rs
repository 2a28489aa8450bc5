//! A real process: its logs go to files, it can be killed at any moment, and it never outlives its story.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A running process. Dropped, it is killed.
pub struct Process {
    name: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// Starts a command. What it writes is appended to `NAME.out` and `NAME.err` in `logs`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(
        name: &str,
        mut command: Command,
        logs: &Path,
        stdin: Option<&[u8]>,
    ) -> Result<Self> {
        fs::create_dir_all(logs)?;
        let (out, err) = (
            logs.join(format!("{name}.out")),
            logs.join(format!("{name}.err")),
        );
        let mut child = command
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(append(&out)?)
            .stderr(append(&err)?)
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        if let (Some(bytes), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // A process that ends at once has no use for its input: its exit code tells more than a broken pipe.
            let _ = pipe.write_all(bytes);
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            out,
            err,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it and its predecessors of the same name have written to standard output.
    pub fn out(&self) -> String {
        lossy(&self.out)
    }

    /// All that it and its predecessors of the same name have written to standard error.
    pub fn err(&self) -> String {
        lossy(&self.err)
    }

    /// Fails where it has ended, with the end of its logs.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn expect_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended with {status}:\n{}\n{}",
                self.name,
                tail(&self.out()),
                tail(&self.err())
            );
        }
        Ok(())
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn kill_9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        kill_process(Pid::from_raw(id).context("a process id")?, signal)?;
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where it does not end within the time.
    pub fn wait_exit(&mut self, within: Duration) -> Result<ExitStatus> {
        let began = std::time::Instant::now();
        let name = self.name.clone();
        let (out, err) = (self.out.clone(), self.err.clone());
        wait::until(&format!("{name} ends"), || {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if began.elapsed() > within {
                bail!(
                    "{name} did not end within {within:?}:\n{}\n{}",
                    tail(&lossy(&out)),
                    tail(&lossy(&err))
                );
            }
            Ok(None)
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))
}

fn lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The last lines of a log: enough to see why.
pub fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
