//! The way to the authority, from an address of one's own: as `client-sdk/src/connect.rs` has it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cattery_sdk::tls::{AUTHORITY_NAME, Identity, Trust, client_config};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Agents that share an address. Every real one has its own, and an authority gives none of them too many places.
const AGENTS_PER_ADDRESS: u32 = 500;

/// Where the authority is, and who comes from where.
#[derive(Clone)]
pub(super) struct Way {
    authority: SocketAddr,
    from: Ipv4Addr,
    tls: TlsConnector,
}

impl Way {
    /// For the agent of this number.
    ///
    /// # Errors
    /// A certificate or the key is damaged, or there are too many agents.
    pub(super) fn new(
        number: usize,
        authority: SocketAddr,
        trust: &Trust,
        identity: Option<&Identity>,
    ) -> Result<Self> {
        Ok(Self {
            authority,
            from: address(number).context("there are too many agents")?,
            tls: TlsConnector::from(Arc::new(client_config(trust, identity)?)),
        })
    }

    /// A channel of its own, which connects at the first call.
    pub(super) fn channel(&self) -> Channel {
        let way = self.clone();
        Endpoint::from_static("http://authority.cattery.internal")
            .origin(Uri::from_static("https://authority.cattery.internal"))
            .timeout(CALL_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let way = way.clone();
                async move { way.connect().await.map(TokioIo::new) }
            }))
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let connected = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((self.from, 0).into())?;
            let tcp = socket.connect(self.authority).await?;
            tcp.set_nodelay(true)?;
            let name = ServerName::try_from(AUTHORITY_NAME).map_err(io::Error::other)?;
            self.tls.connect(name, tcp).await
        };
        let connected = timeout(CONNECT_TIMEOUT, connected).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// 127.0.0.2 and those behind it.
fn address(number: usize) -> Option<Ipv4Addr> {
    let block = u32::try_from(number).ok()? / AGENTS_PER_ADDRESS;
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 2).to_bits().checked_add(block)?);
    address.is_loopback().then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_come_from_several_addresses() {
        let of = |number| address(number).map(|address| address.to_string());
        assert_eq!(of(0).as_deref(), Some("127.0.0.2"));
        assert_eq!(of(9_999).as_deref(), Some("127.0.0.21"));
        assert_eq!(of(usize::MAX), None);
    }
}
