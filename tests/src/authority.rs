//! An authority in a process of its own.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::{cli::Cli, ports, process::Process, programs::Program, wait};

/// An authority with its directory and address.
pub struct Authority {
    /// Its directory.
    pub dir: PathBuf,
    /// Where it listens: the same after every restart.
    pub addr: SocketAddr,
    /// Where its logs go.
    pub logs: PathBuf,
    /// The process, unless it was killed.
    pub process: Option<Process>,
}

impl Authority {
    /// `cattery init` in `folder/authority`, with a key file; the first operator is `root`, in the home of `admin`.
    ///
    /// # Errors
    /// Where init fails.
    pub fn init(folder: &Path, admin: &Cli) -> Result<Self> {
        Self::init_at(folder, admin, ports::free()?, &[], "")
    }

    /// The same at an address of one's choice, with more arguments and input.
    ///
    /// # Errors
    /// Where init fails.
    pub fn init_at(
        folder: &Path,
        admin: &Cli,
        addr: SocketAddr,
        args: &[&str],
        stdin: &str,
    ) -> Result<Self> {
        let dir = folder.join("authority");
        let (path, listen) = (dir.to_string_lossy(), addr.to_string());
        let base = ["init", "--dir", &path, "--listen", &listen];
        let args: Vec<_> = base.iter().chain(args).copied().collect();
        admin.ok(&args, stdin)?;
        let authority = Self {
            dir,
            addr,
            logs: folder.join("logs"),
            process: None,
        };
        authority.edit(|text| text.replace("filter = \"info\"", "filter = \"trace\""))?;
        Ok(authority)
    }

    /// The same, sealed with a passphrase; it starts, and waits for that.
    ///
    /// # Errors
    /// Where init or the start fails.
    pub fn sealed(folder: &Path, admin: &Cli, passphrase: &str) -> Result<Self> {
        let args = ["--passphrase-file", "-"];
        let mut authority = Self::init_at(folder, admin, ports::free()?, &args, passphrase)?;
        authority.spawn()?;
        let socket = authority.dir.join("authority.sock");
        wait::until("the authority's socket", || {
            Ok(socket.exists().then_some(()))
        })?;
        Ok(authority)
    }

    /// Another authority of the same cluster, in a folder of its own: the same settings and key file, but for its id and where it
    /// listens. It is not started.
    ///
    /// # Errors
    /// Where files cannot be copied.
    pub fn twin(&self, folder: &Path, id: &str, addr: SocketAddr) -> Result<Self> {
        let dir = folder.join(id);
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        fs::copy(self.dir.join("master.key"), dir.join("master.key"))?;
        let settings = fs::read_to_string(self.dir.join("authority.toml"))?
            .replace(
                "authority_id = \"authority-1\"",
                &format!("authority_id = \"{id}\""),
            )
            .replace(
                &format!("listen = \"{}\"", self.addr),
                &format!("listen = \"{addr}\""),
            );
        fs::write(dir.join("authority.toml"), settings)?;
        Ok(Self {
            logs: folder.join(format!("logs-{id}")),
            dir,
            addr,
            process: None,
        })
    }

    /// Changes `authority.toml`.
    ///
    /// # Errors
    /// Where it cannot be read or written, or nothing changes.
    pub fn edit(&self, change: impl FnOnce(&str) -> String) -> Result<()> {
        let path = self.dir.join("authority.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let changed = change(&text);
        ensure!(changed != text, "nothing changes in {text}");
        fs::write(&path, changed)?;
        Ok(())
    }

    /// Agents ask for news every second, from its next start on.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn refresh_each_second(&self) -> Result<()> {
        let of = |seconds| format!("service_refresh_interval = \"{seconds}s\"");
        self.edit(|text| text.replace(&of(30), &of(1)))
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// Where it ends instead.
    pub fn start(&mut self) -> Result<()> {
        self.start_as(self.command()?)
    }

    /// Starts a command in place of the usual one, and waits until it listens.
    ///
    /// # Errors
    /// Where it ends instead.
    pub fn start_as(&mut self, command: Command) -> Result<()> {
        self.process = Some(Process::start("authority", command, &self.logs, None)?);
        let addr = self.addr;
        let process = self.process.as_mut().context("just started")?;
        wait::until("the authority listens", || {
            process.expect_running()?;
            Ok(TcpStream::connect(addr).ok().map(drop))
        })
    }

    /// Starts it, and waits for nothing.
    ///
    /// # Errors
    /// Where there is no such program.
    pub fn spawn(&mut self) -> Result<()> {
        let command = self.command()?;
        self.process = Some(Process::start("authority", command, &self.logs, None)?);
        Ok(())
    }

    /// How it is started.
    ///
    /// # Errors
    /// Where there is no such program.
    pub fn command(&self) -> Result<Command> {
        let mut command = Program::Authority.command()?;
        command.arg("run").arg("--dir").arg(&self.dir);
        Ok(command)
    }

    /// kill -9.
    ///
    /// # Errors
    /// Where it was not running any more.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the authority runs")?;
        process.expect_running()?;
        process.kill_9()
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// Where it was not running any more, or does not end.
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the authority runs")?;
        process.signal(Signal::TERM)?;
        let status = process.wait_exit(wait::PATIENCE)?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    /// Makes what it has logged short again: a long story at trace level fills disks.
    ///
    /// # Errors
    /// Where the files cannot be written.
    pub fn forget_logs(&self) -> Result<()> {
        for name in ["authority.out", "authority.err"] {
            let path = self.logs.join(name);
            if path.exists() {
                fs::File::options().write(true).open(path)?.set_len(0)?;
            }
        }
        Ok(())
    }
}
