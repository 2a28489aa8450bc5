//! An agent in a process of its own.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    http::{self, Response},
    process::Process,
    programs::Program,
    wait,
};

/// What most stories configure: facts from the headers that a proxy sets, and everything in the log.
pub const CONFIG: &str = "http = \"127.0.0.1:0\"\n\
    [forward_auth]\nfacts = \"x-forwarded\"\n\
    [log]\nlevel = \"trace\"\n";

/// An agent with its directory and faces.
pub struct Agent {
    /// What its logs are called.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Its Unix socket.
    pub socket: PathBuf,
    /// Where its logs go.
    pub logs: PathBuf,
    /// The process, unless it was killed.
    pub process: Option<Process>,
}

impl Agent {
    /// A directory with this configuration, and nothing running.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn new(folder: &Path, name: &str, config: &str) -> Result<Self> {
        let dir = folder.join(name);
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        fs::write(dir.join("agent.toml"), config)?;
        Ok(Self {
            name: name.to_owned(),
            socket: dir.join("agent.sock"),
            dir,
            logs: folder.join("logs"),
            process: None,
        })
    }

    /// How it is started: with a join token on standard input, or as what it is already.
    ///
    /// # Errors
    /// Where there is no such program.
    pub fn command(&self, join: bool) -> Result<Command> {
        let mut command = Program::Agent.command()?;
        command.arg("run").arg("--dir").arg(&self.dir);
        if join {
            command.args(["--join-token-file", "-"]);
        }
        Ok(command)
    }

    /// Starts it, and waits until it is ready.
    ///
    /// # Errors
    /// Where it ends instead.
    pub fn start(&mut self, join_token: Option<&str>) -> Result<()> {
        self.spawn(join_token)?;
        self.wait_ready()
    }

    /// Starts it, and waits for nothing.
    ///
    /// # Errors
    /// Where there is no such program.
    pub fn spawn(&mut self, join_token: Option<&str>) -> Result<()> {
        let command = self.command(join_token.is_some())?;
        self.spawn_as(command, join_token)
    }

    /// Starts a command in place of the usual one.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn_as(&mut self, command: Command, join_token: Option<&str>) -> Result<()> {
        let _ = fs::remove_file(self.dir.join("agent.addr"));
        let stdin = join_token.map(str::as_bytes);
        self.process = Some(Process::start(&self.name, command, &self.logs, stdin)?);
        Ok(())
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Errors
    /// Where it ends instead.
    pub fn wait_ready(&mut self) -> Result<()> {
        let addr_file = self.dir.join("agent.addr");
        let process = self.process.as_mut().context("the agent runs")?;
        wait::until("the agent is ready", || {
            process.expect_running()?;
            let Ok(addr) = read_addr(&addr_file) else {
                return Ok(None);
            };
            Ok(http::get(addr, "/readyz", &[])
                .ok()
                .filter(|answer| answer.status == 200)
                .map(drop))
        })
    }

    /// Where its HTTP listens.
    ///
    /// # Errors
    /// Before it listens.
    pub fn http(&self) -> Result<SocketAddr> {
        read_addr(&self.dir.join("agent.addr"))
    }

    /// A request to forward-auth as a proxy makes it, for GET `/albums/7` with this token.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn forward_auth(&self, token: &str) -> Result<Response> {
        self.forward_auth_of("GET", "/albums/7?size=l", token)
    }

    /// The same for another method, path and query.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn forward_auth_of(&self, method: &str, path: &str, token: &str) -> Result<Response> {
        let bearer = format!("Bearer {token}");
        http::get(
            self.http()?,
            FORWARD_AUTH,
            &[
                ("authorization", bearer.as_bytes()),
                ("x-forwarded-method", method.as_bytes()),
                ("x-forwarded-host", b"photos.example"),
                ("x-forwarded-uri", path.as_bytes()),
                ("x-forwarded-for", b"192.0.2.7"),
            ],
        )
    }

    /// kill -9.
    ///
    /// # Errors
    /// Where it was not running any more.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the agent runs")?;
        process.expect_running()?;
        process.kill_9()
    }
}

/// The path of forward-auth.
pub const FORWARD_AUTH: &str = "/auth";

fn read_addr(path: &Path) -> Result<SocketAddr> {
    let text = fs::read_to_string(path)?;
    text.trim()
        .trim_start_matches("http://")
        .parse()
        .with_context(|| format!("{} holds {text:?}", path.display()))
}
