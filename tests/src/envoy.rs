//! A real Envoy with the configuration that this project ships.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
};

use anyhow::Result;

use crate::{ports, process::Process, programs::installed, shipped, wait};

/// Envoy, running.
pub struct Envoy {
    /// Where clients come in.
    pub addr: SocketAddr,
    /// The process.
    pub process: Process,
}

impl Envoy {
    /// The configuration, with other places in it, and whatever else `changes` say: each `from` has to be there once.
    ///
    /// # Errors
    /// Where it is not, or Envoy does not start.
    pub fn start(
        folder: &Path,
        agent: &str,
        upstream: SocketAddr,
        changes: &[(&str, &str)],
    ) -> Result<Self> {
        let addr = ports::free()?;
        let port = |port: u16| format!("port_value: {port} }}");
        let own = [
            (port(8080), port(addr.port())),
            (port(9000), port(upstream.port())),
            (
                "pipe: { path: /run/cattery/photos.sock }".into(),
                agent.to_owned(),
            ),
        ];
        let own = own.iter().map(|(from, to)| (&from[..], &to[..]));
        let text = shipped::changed("envoy/envoy.yaml", own.chain(changes.iter().copied()))?;
        let file = folder.join("envoy.yaml");
        fs::write(&file, text)?;
        let mut command = Command::new(installed("envoy/envoy")?);
        command.arg("-c").arg(&file);
        command.args([
            "--use-dynamic-base-id",
            "--concurrency",
            "2",
            "-l",
            "warning",
            "--file-flush-interval-msec", // the access log's
            "50",
        ]);
        let mut process = Process::start("envoy", command, &folder.join("logs"), None)?;
        wait::until("Envoy listens", || {
            process.expect_running()?;
            Ok(TcpStream::connect(addr).ok().map(drop))
        })?;
        Ok(Self { addr, process })
    }

    /// Waits for a line of the access log, which is JSON, that has all of `words`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn logged(&self, words: &[&str]) -> Result<serde_json::Value> {
        wait::until(&format!("{words:?} in Envoy's access log"), || {
            let out = self.process.out();
            let line = out
                .lines()
                .find(|line| words.iter().all(|word| line.contains(word)));
            Ok(line.and_then(|line| serde_json::from_str(line).ok()))
        })
    }
}

/// The agent's endpoint, as its socket.
pub fn pipe(socket: &Path) -> String {
    format!("pipe: {{ path: {} }}", socket.display())
}

/// The agent's endpoint, as an address.
pub fn tcp(addr: SocketAddr) -> String {
    format!(
        "socket_address: {{ address: {}, port_value: {} }}",
        addr.ip(),
        addr.port()
    )
}
