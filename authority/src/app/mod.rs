//! Starting and stopping an authority, in a process of its own or inside another one's.

mod error;
mod handed_over;
mod health;
mod identity;
mod leader;
mod listen;
mod membership;
mod open;
mod rollover;
mod socket;
mod store;
mod watchdog;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cattery_sdk::systemd::{self, HandedSockets};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::config::{Config, Unseal};
use crate::readiness::Readiness;
use crate::rpc::{UnsealService, serve_local};
use crate::seal::{KeyFile, Passphrase};
use crate::standing::Standing;
use open::Opener;

pub use crate::tls::FILES;
pub use error::StartError;
pub use handed_over::SOCKETS;
pub use socket::socket_path;

/// The file in the authority's directory that holds HOST:PORT of the listener while it is open.
pub const ADDRESS_FILE: &str = "authority.addr";

/// How long calls that are under way may take when the authority stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long all may take to end after that. Nothing should take any time.
const KILL: Duration = Duration::from_secs(5);

/// An authority.
pub struct App;

/// A started authority. Stops when it is dropped; [`shutdown`](Running::shutdown) also waits for it.
pub struct Running {
    local_addr: SocketAddr,
    metrics_addr: Option<SocketAddr>,
    open: watch::Receiver<bool>,
    stop: Stop,
    tasks: TaskTracker,
    standing: Arc<Standing>,
    readiness: Readiness,
    _stop_on_drop: DropGuard,
}

/// How the tasks of an authority end.
#[derive(Clone)]
pub(crate) struct Stop {
    /// Nothing new; what is under way goes on.
    pub(crate) drain: CancellationToken,
    /// Nothing at all.
    pub(crate) kill: CancellationToken,
    /// Something ended that never should.
    pub(crate) failed: CancellationToken,
}

impl App {
    /// As [`start_on`](Self::start_on), with sockets of its own.
    ///
    /// # Errors
    /// One line that says what is wrong and what to do.
    pub async fn start(
        config: Config,
        passphrase: Option<Zeroizing<String>>,
    ) -> Result<Running, StartError> {
        Self::start_on(config, passphrase, HandedSockets::default()).await
    }

    /// Starts the authority whose directory the configuration names. It is open when this returns, unless its store takes
    /// a passphrase and there is none yet: then it waits for [`Unseal`](cattery_proto::v1::unseal_server::Unseal) on
    /// [`socket_path`], and its port closes every connection until then.
    /// A socket that systemd handed over, by the name of its setting ([`SOCKETS`]), is served in place of one that the
    /// configuration names.
    ///
    /// # Errors
    /// One line that says what is wrong and what to do.
    pub async fn start_on(
        config: Config,
        passphrase: Option<Zeroizing<String>>,
        mut handed: HandedSockets,
    ) -> Result<Running, StartError> {
        let drain = CancellationToken::new();
        let stop = Stop {
            drain: drain.clone(),
            kill: CancellationToken::new(),
            failed: CancellationToken::new(),
        };
        let stop_on_drop = drain.drop_guard();
        let tasks = TaskTracker::new();
        let unseal = config.unseal.clone();
        let opener = Opener::new(config, stop.clone(), tasks.clone(), &mut handed).await?;
        let (local_addr, open) = (opener.local_addr(), opener.watch());
        let metrics_addr = opener.metrics_addr();
        let standing = opener.standing().clone();
        let readiness = opener.readiness().clone();
        match (unseal, passphrase) {
            (Unseal::KeyFile(path), None) => opener.open(KeyFile::read(path)?).await?,
            (Unseal::KeyFile(_), Some(_)) => return Err(StartError::NoPassphraseNeeded),
            (Unseal::Passphrase, passphrase) => {
                // First, so that nothing is opened where it cannot be made.
                let socket = socket::Socket::bind(opener.dir())?;
                match passphrase {
                    Some(passphrase) => opener.open(Passphrase::new(passphrase)).await?,
                    None => opener.stay_sealed().await,
                }
                serve_socket(socket, opener, &stop, &tasks);
            }
        }
        Ok(Running {
            local_addr,
            metrics_addr,
            open,
            stop,
            tasks,
            standing,
            readiness,
            _stop_on_drop: stop_on_drop,
        })
    }
}

fn serve_socket(socket: socket::Socket, opener: Opener, stop: &Stop, tasks: &TaskTracker) {
    if !*opener.watch().borrow() {
        tracing::warn!(
            socket = %socket.path().display(),
            "sealed: unseal with `cattery-authority unseal --dir {}`", opener.dir().display()
        );
    }
    let health = opener.health().clone();
    let (drain, stop) = (stop.drain.clone(), stop.clone());
    tasks.spawn(async move {
        let (listener, _path) = socket.into_parts();
        let served = serve_local(UnsealService(Arc::new(opener)), &health, listener, drain);
        tokio::select! {
            result = served => stop.check("the unseal socket", &result),
            () = stop.kill.cancelled() => {}
        }
    });
}

impl Running {
    /// Where it listens, or will once it is open.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where it serves metrics, if at all.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// Tells systemd that it is up, how it is and that it makes progress, until it stops.
    pub fn tell_systemd(&self) {
        let (readiness, drain) = (self.readiness.clone(), self.stop.drain.clone());
        self.tasks.spawn(async move {
            let telling = systemd::keep_telling(|| readiness.summary());
            drain.run_until_cancelled(telling).await;
        });
    }

    /// Whether it waits to be unsealed.
    pub fn is_sealed(&self) -> bool {
        !*self.open.borrow()
    }

    /// Returns once it is open.
    pub async fn opened(&self) {
        // Ends early only when the authority stops.
        let _ = self.open.clone().wait_for(|open| *open).await;
    }

    /// Returns when it can serve no longer; its log has the reason.
    pub async fn failed(&self) {
        self.stop.failed.cancelled().await;
    }

    /// Takes no more calls, ends those that are under way, and stops.
    pub async fn shutdown(self) {
        // It holds the authority, and with it the store, which a successor may open when this returns.
        drop(self.readiness);
        self.tasks.close();
        self.stop.drain.cancel();
        if timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("some calls did not end in time and are cut off");
            self.stop.kill.cancel();
            if timeout(KILL, self.tasks.wait()).await.is_err() {
                tracing::error!("something does not end, and is left behind");
            }
        }
        // The last, since changes rest on it; others need not wait for it to run out.
        if timeout(KILL, self.standing.leave()).await.is_err() {
            tracing::warn!("the session in the store is left to run out");
        }
        tracing::info!("stopped");
    }
}

impl Stop {
    /// Stops the authority when something ends that it cannot do without.
    fn with(
        &self,
        tasks: &TaskTracker,
        what: &'static str,
        ended: impl Future<Output = ()> + Send + 'static,
    ) {
        let stop = self.clone();
        tasks.spawn(async move {
            if stop.drain.run_until_cancelled(ended).await.is_some() {
                stop.check(what, &Ok::<(), std::convert::Infallible>(()));
            }
        });
    }

    fn check<E: std::error::Error>(&self, what: &str, result: &Result<(), E>) {
        if let Err(error) = result {
            tracing::error!(what, error = %crate::failure::chain(error), "ended");
        }
        if !self.drain.is_cancelled() {
            tracing::error!(what, "ended, and the authority with it");
            self.failed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_it_cannot_do_without_takes_it_along() {
        let stop = Stop {
            drain: CancellationToken::new(),
            kill: CancellationToken::new(),
            failed: CancellationToken::new(),
        };
        let tasks = TaskTracker::new();
        let ended = CancellationToken::new();
        stop.with(&tasks, "the store", ended.clone().cancelled_owned());
        assert!(!stop.failed.is_cancelled());
        ended.cancel();
        stop.failed.cancelled().await;
        // At the end of its life nothing has failed.
        let stop = Stop {
            failed: CancellationToken::new(),
            ..stop
        };
        stop.with(&tasks, "the store", std::future::pending());
        stop.drain.cancel();
        tasks.close();
        tasks.wait().await;
        assert!(!stop.failed.is_cancelled());
    }
}
