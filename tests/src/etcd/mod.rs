//! etcd in processes of its own: one member or several, in the clear or over TLS, with and without a login.

mod admin;
mod binary;
mod snapshot;
mod tls;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use cattery_authority::store::{
    EtcdCertificate, EtcdOptions, EtcdTimeouts, EtcdTls, EtcdUser, StoreError,
};
use rustix::process::Signal;
use zeroize::Zeroizing;

pub use binary::Version;
use tls::Files;

use crate::{ports, process::Process, wait};

/// An etcd of some members.
pub struct Etcd {
    version: Version,
    folder: PathBuf,
    members: Vec<Member>,
    tls: Option<Files>,
    user: Option<(String, String)>,
    more: Vec<String>,
}

struct Member {
    clients: SocketAddr,
    peers: SocketAddr,
    process: Option<Process>,
}

impl Etcd {
    /// One member in the clear, with its files in `folder`.
    ///
    /// # Errors
    /// Where this version is not installed, or does not start.
    pub async fn start(version: Version, folder: &Path) -> Result<Self> {
        Self::new(version, folder, 1)?.started().await
    }

    /// Several members in the clear.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn cluster(version: Version, folder: &Path, members: usize) -> Result<Self> {
        Self::new(version, folder, members)?.started().await
    }

    /// Members that are not started yet.
    ///
    /// # Errors
    /// Where no ports are free.
    pub fn new(version: Version, folder: &Path, members: usize) -> Result<Self> {
        let member = |_| {
            Ok(Member {
                clients: ports::free()?,
                peers: ports::free()?,
                process: None,
            })
        };
        Ok(Self {
            version,
            folder: folder.join("etcd"),
            members: (0..members).map(member).collect::<Result<_>>()?,
            tls: None,
            user: None,
            more: Vec::new(),
        })
    }

    /// Clients have to come over TLS, with certificates of one CA.
    ///
    /// # Errors
    /// Where the certificates cannot be made.
    pub fn with_tls(mut self) -> Result<Self> {
        std::fs::create_dir_all(&self.folder)?;
        self.tls = Some(Files::make(&self.folder)?);
        Ok(self)
    }

    /// One more argument of every member.
    #[must_use]
    pub fn with_argument(mut self, argument: &str) -> Self {
        self.more.push(argument.to_owned());
        self
    }

    /// Starts every member, and waits until they answer.
    ///
    /// # Errors
    /// Where one of them ends.
    pub async fn started(mut self) -> Result<Self> {
        for member in 0..self.members.len() {
            self.spawn(member)?;
        }
        self.answers().await?;
        Ok(self)
    }

    /// Waits until it answers what takes a majority.
    ///
    /// # Errors
    /// Where a member that was started has ended, or it takes too long.
    pub async fn answers(&mut self) -> Result<()> {
        wait::until_async("etcd answers", || {
            let running = self.expect_running();
            let probe = self.probe();
            async move {
                running?;
                Ok(probe.await.ok())
            }
        })
        .await
    }

    /// What an authority is told to use it, below a prefix.
    ///
    /// # Errors
    /// Where certificates cannot be read.
    pub fn options(&self, prefix: &str) -> Result<EtcdOptions> {
        let read = |path: PathBuf| std::fs::read(&path).with_context(|| path.display().to_string());
        let tls = match &self.tls {
            None => None,
            Some(files) => Some(EtcdTls {
                ca: read(files.ca())?,
                client: Some(EtcdCertificate {
                    certificate: read(files.client_certificate())?,
                    key: Zeroizing::new(read(files.client_key())?),
                }),
            }),
        };
        Ok(EtcdOptions {
            endpoints: self.endpoints(),
            prefix: prefix.to_owned(),
            tls,
            user: self.user.as_ref().map(|(name, password)| EtcdUser {
                name: name.clone(),
                password: Zeroizing::new(password.clone()),
            }),
            timeouts: EtcdTimeouts::default(),
        })
    }

    /// HOST:PORT of each member.
    pub fn endpoints(&self) -> Vec<String> {
        let address = |member: &Member| member.clients.to_string();
        self.members.iter().map(address).collect()
    }

    /// The process ids of the members that run.
    pub fn ids(&self) -> Vec<u32> {
        let running = self.members.iter().flat_map(|m| m.process.as_ref());
        running.map(Process::id).collect()
    }

    /// The files of its CA and of a client's certificate and key, where it speaks TLS.
    pub fn tls_files(&self) -> Option<[PathBuf; 3]> {
        let files = self.tls.as_ref()?;
        Some([files.ca(), files.client_certificate(), files.client_key()])
    }

    /// kill -9.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill(&mut self, member: usize) -> Result<()> {
        let mut process = self.members[member].process.take().context("it runs")?;
        process.kill_9()
    }

    /// Starts a member that was killed, on the same ports and data, and waits for nothing.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn(&mut self, member: usize) -> Result<()> {
        let command = self.command(member)?;
        let name = format!("etcd-{member}");
        let process = Process::start(&name, command, &self.folder.join("logs"), None)?;
        self.members[member].process = Some(process);
        Ok(())
    }

    /// SIGSTOP: connections stay open, and nothing answers.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn freeze(&self, member: usize) -> Result<()> {
        self.signal(member, Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn thaw(&self, member: usize) -> Result<()> {
        self.signal(member, Signal::CONT)
    }

    fn signal(&self, member: usize, signal: Signal) -> Result<()> {
        let process = self.members[member].process.as_ref();
        process.context("it runs")?.signal(signal)
    }

    fn expect_running(&mut self) -> Result<()> {
        let mut running = self.members.iter_mut().flat_map(|m| m.process.as_mut());
        running.try_for_each(Process::expect_running)
    }

    fn command(&self, number: usize) -> Result<Command> {
        let member = &self.members[number];
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let clients = format!("{scheme}://{}", member.clients);
        let mut command = Command::new(self.version.binary()?);
        command
            .arg(format!("--data-dir={}", self.data(number).display()))
            .arg(format!("--listen-client-urls={clients}"))
            .arg(format!("--advertise-client-urls={clients}"))
            .arg(format!("--listen-peer-urls=http://{}", member.peers))
            .args(self.membership(number))
            .arg("--logger=zap")
            .args(&self.more)
            .env_remove("ETCDCTL_API");
        if let Some(files) = &self.tls {
            command.args(files.arguments());
        }
        Ok(command)
    }

    /// Who a member is, and who the others are.
    fn membership(&self, number: usize) -> [String; 3] {
        let peers = |member: &Member| format!("http://{}", member.peers);
        let all = self.members.iter().enumerate();
        let all: Vec<_> = all
            .map(|(number, member)| format!("member-{number}={}", peers(member)))
            .collect();
        [
            format!("--name=member-{number}"),
            format!(
                "--initial-advertise-peer-urls={}",
                peers(&self.members[number])
            ),
            format!("--initial-cluster={}", all.join(",")),
        ]
    }

    fn data(&self, member: usize) -> PathBuf {
        self.folder.join(format!("member-{member}"))
    }
}

/// Fails unless this is what a store that cannot be reached says.
///
/// # Errors
/// Anything else was answered.
pub fn expect_unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Result<()> {
    match answer {
        Err(StoreError::Unavailable(_)) => Ok(()),
        other => bail!("the store should be unavailable, and answered {other:?}"),
    }
}
