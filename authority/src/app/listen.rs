//! The port is listened on from the start, so that it is known and nobody else's. Whoever connects before the authority is open
//! waits a moment, or is sent away while it is sealed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::StartError;

/// Connections that may wait to be accepted: ten thousand agents may come back at once.
const BACKLOG: u32 = 4096;
/// Pause after the system refused a connection (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that is ours.
pub(super) struct Port {
    local: SocketAddr,
    state: State,
}

enum State {
    /// Connections wait to be accepted.
    Waiting(TcpListener),
    Sealed(Sealed),
    /// Somebody else accepts them.
    Open,
}

/// Sends everybody away until it is dropped.
struct Sealed {
    until: DropGuard,
    task: JoinHandle<TcpListener>,
}

impl Port {
    /// Takes HOST:PORT; port 0 is a free one.
    pub(super) async fn take(address: &str) -> Result<Self, StartError> {
        let found = lookup_host(address).await;
        let found = found.map_err(|source| StartError::Resolve {
            address: address.to_owned(),
            source,
        })?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for candidate in found {
            match listen(candidate) {
                Ok((listener, local)) => return Ok(Self::of(listener, local)),
                Err(error) => last = error,
            }
        }
        Err(StartError::Listen {
            address: address.to_owned(),
            source: last,
        })
    }

    /// One that somebody else took.
    pub(super) fn of(listener: TcpListener, local: SocketAddr) -> Self {
        Self {
            local,
            state: State::Waiting(listener),
        }
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sends everybody away from now on.
    pub(super) fn seal(&mut self, tasks: &TaskTracker) {
        self.state = match std::mem::replace(&mut self.state, State::Open) {
            State::Waiting(listener) => {
                let until = CancellationToken::new();
                let work = send_away(listener, until.clone());
                State::Sealed(Sealed {
                    until: until.drop_guard(),
                    task: tasks.spawn(work),
                })
            }
            other => other,
        };
    }

    /// For those who connect from now on.
    pub(super) async fn open(&mut self) -> Result<TcpListener, StartError> {
        match std::mem::replace(&mut self.state, State::Open) {
            State::Waiting(listener) => Ok(listener),
            State::Sealed(Sealed { until, task }) => {
                drop(until);
                let ended = task.await;
                ended.map_err(|error| StartError::Failed(error.to_string()))
            }
            State::Open => Err(StartError::Failed("the port was opened already".into())),
        }
    }

    /// Takes it back: whoever connects waits.
    pub(super) fn wait(&mut self, listener: TcpListener) {
        self.state = State::Waiting(listener);
    }
}

async fn send_away(listener: TcpListener, until: CancellationToken) -> TcpListener {
    let all = async {
        loop {
            match listener.accept().await {
                Ok(connection) => drop(connection),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    until.run_until_cancelled(all).await;
    listener
}

/// Listens on an address; port 0 is a free one.
pub(super) fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A port whose last connections are in TIME_WAIT can be had again; one that is listened on cannot.
    socket.set_reuseaddr(true)?;
    // Connections have it from here.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}
