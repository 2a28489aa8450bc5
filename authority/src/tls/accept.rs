use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::Connection;
use super::connection::Places;
use super::limits::{Limits, share};
use super::shares::Shares;
use crate::app::Stop;
use crate::failure::chain;
use crate::peer::{Peer, PeerCertificate};

/// Longest handshake: a stranger who says nothing goes.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a refused client to hear why, and how much of what it sends is thrown away.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;
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
    let limits = Limits::of_process();
    let door = Door {
        config,
        trust_domain,
        kill: stop.kill.clone(),
        strangers: Arc::new(Semaphore::new(limits.strangers)),
        shares_of_strangers: Shares::new(share(limits.strangers)),
        sender,
    };
    tokio::spawn(accept(listener, Arc::new(door), limits));
    ReceiverStream::new(receiver)
}

/// What every handshake needs.
struct Door {
    config: watch::Receiver<Arc<ServerConfig>>,
    trust_domain: String,
    kill: CancellationToken,
    strangers: Arc<Semaphore>,
    shares_of_strangers: Arc<Shares>,
    sender: mpsc::Sender<io::Result<Connection>>,
}

async fn accept(listener: TcpListener, door: Arc<Door>, limits: Limits) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let handshakes = Arc::new(Semaphore::new(limits.handshakes));
    let shares = Shares::new(share(limits.handshakes));
    loop {
        let accepted = tokio::select! {
            () = door.sender.closed() => return,
            accepted = next(&listener, &connections, &handshakes) => accepted,
        };
        match accepted {
            Ok((stream, address, [connection, handshake])) => {
                let Some(share) = shares.take(address.ip()) else {
                    tracing::debug!(%address, "too many handshakes from this address");
                    continue;
                };
                let door = door.clone();
                tokio::spawn(async move {
                    let entered =
                        timeout(HANDSHAKE_TIMEOUT, door.enter(stream, address, connection));
                    let entered = entered.await;
                    drop((handshake, share));
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

/// Lets the alert arrive that says what is wrong: a stream that is closed with bytes unread is reset, and what was sent last
/// goes with it. In TLS 1.3 a client has sent its first request by then.
async fn linger(mut stream: TcpStream) {
    let ended = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    let _ = timeout(LINGER, ended).await;
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
        let stream = match acceptor.accept(stream).into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                linger(stream).await;
                return Err(error);
            }
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates
            .and_then(<[_]>::first)
            .map(|der| PeerCertificate::read(der, &self.trust_domain))
            .transpose()
            .map_err(io::Error::other)?;
        let stranger = match certificate {
            Some(_) => None,
            None => {
                let place = self.strangers.clone().try_acquire_owned();
                let share = self.shares_of_strangers.take(address.ip());
                let share = share.ok_or_else(|| io::Error::other("too many from this address"))?;
                Some((place.map_err(io::Error::other)?, share))
            }
        };
        let places = Places {
            _connection: connection,
            _stranger: stranger,
        };
        let peer = Peer {
            address,
            certificate,
        };
        Ok(Connection::new(stream, peer, places, self.kill.clone()))
    }
}
