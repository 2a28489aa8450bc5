use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::Connection;
use crate::app::Stop;
use crate::failure::chain;
use crate::peer::{Peer, PeerCertificate};

/// Longest handshake: a stranger who says nothing goes.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Most handshakes at the same time. Whoever says nothing takes a place for [`HANDSHAKE_TIMEOUT`], so there are many.
const MAX_HANDSHAKES: usize = 2_048;
/// Most connections at the same time, those in their handshake too: ten thousand agents, and some.
const MAX_CONNECTIONS: usize = 16_384;
/// Most of them without a certificate, so that strangers leave room for agents.
const MAX_STRANGERS: usize = 4_096;
/// Pause after the system refused a connection (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections, as they come out of their handshakes.
pub(crate) type Incoming = ReceiverStream<io::Result<Connection>>;

/// Accepts connections for as long as the stream is held. Each handshake uses the newest configuration, and none waits for
/// another.
pub(crate) fn incoming(
    listener: TcpListener,
    config: watch::Receiver<Arc<ServerConfig>>,
    trust_domain: String,
    stop: &Stop,
) -> Incoming {
    let (sender, receiver) = mpsc::channel(64);
    let door = Door {
        config,
        trust_domain,
        kill: stop.kill.clone(),
        strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
        sender,
    };
    tokio::spawn(accept(listener, Arc::new(door)));
    ReceiverStream::new(receiver)
}

/// What every handshake needs.
struct Door {
    config: watch::Receiver<Arc<ServerConfig>>,
    trust_domain: String,
    kill: CancellationToken,
    strangers: Arc<Semaphore>,
    sender: mpsc::Sender<io::Result<Connection>>,
}

async fn accept(listener: TcpListener, door: Arc<Door>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            () = door.sender.closed() => return,
            accepted = next(&listener, &connections, &handshakes) => accepted,
        };
        match accepted {
            Ok((stream, address, [connection, handshake])) => {
                let door = door.clone();
                tokio::spawn(async move {
                    let entered =
                        timeout(HANDSHAKE_TIMEOUT, door.enter(stream, address, connection));
                    let entered = entered.await;
                    drop(handshake);
                    match entered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                        // Fails only where nobody serves any more.
                        Ok(connection) => drop(door.sender.send(Ok(connection)).await),
                        Err(error) => {
                            tracing::debug!(%address, error = %chain(&error), "no TLS connection");
                        }
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection, once there is a place for it.
async fn next(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    handshakes: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, [OwnedSemaphorePermit; 2])> {
    let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let connection = connections.clone().acquire_owned().await.map_err(closed)?;
    let handshake = handshakes.clone().acquire_owned().await.map_err(closed)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, [connection, handshake]))
}

impl Door {
    async fn enter(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        connection: OwnedSemaphorePermit,
    ) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        let acceptor = TlsAcceptor::from(self.config.borrow().clone());
        let stream = acceptor.accept(stream).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates
            .and_then(<[_]>::first)
            .map(|der| PeerCertificate::read(der, &self.trust_domain))
            .transpose()
            .map_err(io::Error::other)?;
        let mut places = vec![connection];
        if certificate.is_none() {
            let place = self.strangers.clone().try_acquire_owned();
            places.push(place.map_err(io::Error::other)?);
        }
        let peer = Peer {
            address,
            certificate,
        };
        Ok(Connection::new(stream, peer, places, self.kill.clone()))
    }
}
