//! Sockets that systemd hands over, by the names of the settings that they replace.

use std::net::SocketAddr;
use std::path::PathBuf;

use cattery_sdk::systemd::{HandedError, HandedSockets};
use tokio::net::{TcpListener, UnixListener};

use crate::app::StartError;
use crate::socket::BoundSocket;

pub(crate) const SOCKET: &str = "socket";
pub(crate) const HTTP: &str = "http";
pub(crate) const HTTP_SOCKET: &str = "http_socket";
pub(crate) const EXT_AUTHZ: &str = "ext_authz";

/// What systemd may call the sockets that it hands to an agent (`FileDescriptorName=`).
pub const SOCKETS: &[&str] = &[SOCKET, HTTP, HTTP_SOCKET, EXT_AUTHZ];

pub(crate) fn tcp(
    handed: &mut HandedSockets,
    name: &'static str,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let kind = "TCP";
    let unfit = |why| HandedError::Unfit { name, kind, why };
    let Some(listener) = handed.tcp(name)? else {
        return Ok(None);
    };
    let address = listener.local_addr().map_err(unfit)?;
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback { name, address });
    }
    let listener = TcpListener::from_std(listener).map_err(unfit)?;
    Ok(Some((listener, address)))
}

pub(crate) fn unix(
    handed: &mut HandedSockets,
    name: &'static str,
) -> Result<Option<(UnixListener, BoundSocket)>, StartError> {
    let kind = "a Unix socket";
    let unfit = |why| HandedError::Unfit { name, kind, why };
    let Some(listener) = handed.unix(name)? else {
        return Ok(None);
    };
    let address = listener.local_addr().map_err(unfit)?;
    // One without a name is served all the same.
    let path = address
        .as_pathname()
        .map_or_else(PathBuf::new, PathBuf::from);
    let listener = UnixListener::from_std(listener).map_err(unfit)?;
    Ok(Some((listener, BoundSocket::of_another(path))))
}
