//! Sockets that systemd hands over, by the names of the settings that they replace.

use std::net::SocketAddr;

use cattery_sdk::systemd::{HandedError, HandedSockets};
use rustix::net::sockopt::set_socket_keepalive;
use tokio::net::TcpListener;

use super::StartError;
use super::listen::Port;

const LISTEN: &str = "listen";
const METRICS: &str = "metrics";

/// What systemd may call the sockets that it hands to an authority (`FileDescriptorName=`).
pub const SOCKETS: &[&str] = &[LISTEN, METRICS];

pub(super) fn listen(handed: &mut HandedSockets) -> Result<Option<Port>, StartError> {
    let taken = take(handed, LISTEN)?;
    Ok(taken.map(|(listener, local)| Port::of(listener, local)))
}

pub(super) fn metrics(
    handed: &mut HandedSockets,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let taken = take(handed, METRICS)?;
    match taken {
        Some((_, address)) if !address.ip().is_loopback() => {
            Err(StartError::NotLoopback { address })
        }
        taken => Ok(taken),
    }
}

fn take(
    handed: &mut HandedSockets,
    name: &'static str,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let kind = "TCP";
    let unfit = |why| HandedError::Unfit { name, kind, why };
    let Some(listener) = handed.tcp(name)? else {
        return Ok(None);
    };
    // Connections have it from here.
    set_socket_keepalive(&listener, true).map_err(|why| unfit(why.into()))?;
    let local = listener.local_addr().map_err(unfit)?;
    Ok(Some((
        TcpListener::from_std(listener).map_err(unfit)?,
        local,
    )))
}
