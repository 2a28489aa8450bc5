//! Ports that nobody uses.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

/// Sockets that are bound and do not listen: the system gives their ports to nobody who takes any, and connections to them
/// are refused; a program that asks for the very port and sets `SO_REUSEADDR` gets it.
static HELD: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// A loopback address for what has to be known before a program starts (an address inside a join token, say). It stays free
/// for that program, also while it is down, until this process ends.
///
/// # Errors
/// Where there is none.
pub fn free() -> Result<SocketAddr> {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    let address = SocketAddr::try_from(getsockname(&socket)?).context("an internet address")?;
    HELD.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(socket);
    Ok(address)
}
