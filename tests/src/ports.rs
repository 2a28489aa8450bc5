//! Ports that nobody uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Result;

/// A loopback address that was free a moment ago, for what has to be known before a program starts (an address inside a
/// join token, say). The system hands out others first, so that it stays free for long enough.
///
/// # Errors
/// Where there is none.
pub fn free() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
