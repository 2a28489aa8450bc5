//! The port is taken at the start, so that it is known and nobody else's, and listened on once the authority is open.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::StartError;

/// Connections that may wait to be accepted: ten thousand agents may come back at once.
const BACKLOG: u32 = 4096;

/// An address that is ours, and refuses connections.
pub(super) struct Bound {
    socket: Option<TcpSocket>,
    local: SocketAddr,
}

impl Bound {
    /// Takes HOST:PORT; port 0 is a free one.
    pub(super) async fn take(address: &str) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen {
            address: address.to_owned(),
            source,
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for candidate in lookup_host(address).await.map_err(failed)? {
            match bind(candidate) {
                Ok((socket, local)) => {
                    return Ok(Self {
                        socket: Some(socket),
                        local,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Accepts connections from now on.
    pub(super) fn listen(&mut self) -> Result<TcpListener, StartError> {
        let socket = match self.socket.take() {
            Some(socket) => Ok(socket),
            None => bind(self.local).map(|(socket, _)| socket),
        };
        socket
            .and_then(|socket| socket.listen(BACKLOG))
            .map_err(|source| StartError::Listen {
                address: self.local.to_string(),
                source,
            })
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A port whose last connections are in TIME_WAIT can be had again; one that is listened on cannot.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}
