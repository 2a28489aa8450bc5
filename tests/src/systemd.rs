//! What systemd does for a program, without systemd: a socket that hears what programs say of themselves, and the program that hands
//! sockets over.

use std::{
    io,
    net::SocketAddr,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::wait;

/// A `NOTIFY_SOCKET`, and all that was said on it.
pub struct Notified {
    socket: UnixDatagram,
    path: PathBuf,
    heard: Vec<String>,
}

impl Notified {
    /// Listens in this folder.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn new(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            path,
            heard: Vec::new(),
        })
    }

    /// Tells a program where to say it, and that it has a watchdog.
    pub fn tell(&self, command: &mut Command, watchdog: Duration) {
        command
            .env("NOTIFY_SOCKET", &self.path)
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }

    /// All lines so far.
    ///
    /// # Errors
    /// Where the socket fails.
    pub fn heard(&mut self) -> Result<&[String]> {
        let mut message = [0; 8 * 1_024];
        loop {
            match self.socket.recv(&mut message) {
                Ok(len) => {
                    let text = String::from_utf8_lossy(&message[..len]);
                    self.heard.extend(text.lines().map(str::to_owned));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(&self.heard),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets what was said so far.
    ///
    /// # Errors
    /// As [`heard`](Self::heard).
    pub fn forget(&mut self) -> Result<()> {
        self.heard()?;
        self.heard.clear();
        Ok(())
    }

    /// Waits for a line with these words.
    ///
    /// # Errors
    /// Where it does not come.
    pub fn wait_for(&mut self, words: &str) -> Result<String> {
        let waited = wait::until(&format!("a message with `{words}`"), || {
            let mut lines = self.heard()?.iter();
            Ok(lines.find(|line| line.contains(words)).cloned())
        });
        waited.with_context(|| format!("heard: {:?}", self.heard))
    }
}

/// `systemd-socket-activate`: listens, and turns into the program when somebody connects.
///
/// # Errors
/// Where it is missing.
pub fn activate(sockets: &[(&str, String)], program: &Command) -> Result<Command> {
    let mut command = Command::new("systemd-socket-activate");
    ensure!(
        Command::new("systemd-socket-activate")
            .arg("--version")
            .output()
            .is_ok_and(|said| said.status.success()),
        "systemd-socket-activate is missing: run ./test, which installs it"
    );
    for (_, place) in sockets {
        command.arg(format!("--listen={place}"));
    }
    let names: Vec<_> = sockets.iter().map(|(name, _)| *name).collect();
    command.arg(format!("--fdname={}", names.join(":")));
    for (name, value) in program.get_envs() {
        match value {
            // It hands on no variable but those that it is told to.
            Some(value) => {
                let mut set = name.to_owned();
                set.push("=");
                set.push(value);
                command.arg("-E").arg(set);
            }
            None => {
                command.env_remove(name);
            }
        }
    }
    command.arg(program.get_program()).args(program.get_args());
    Ok(command)
}

/// Connects and goes away, which is enough to start the program.
///
/// # Errors
/// Where nobody listens in time.
pub fn knock(address: SocketAddr) -> Result<()> {
    wait::until("somebody listens", || {
        Ok(std::net::TcpStream::connect(address).ok().map(drop))
    })
}
