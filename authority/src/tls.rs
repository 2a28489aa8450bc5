//! TLS 1.3 and nothing older, with client certificates for those who have one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;
use zeroize::Zeroizing;

use crate::app::Stop;
use crate::failure::chain;
use crate::peer::{Peer, PeerCertificate};

/// Longest handshake: a stranger who says nothing goes.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most connections at the same time, those in their handshake too: ten thousand agents, and some.
const MAX_CONNECTIONS: usize = 16_384;
/// Most handshakes at the same time: they are what costs, and a flood of them must not starve those who are in.
const MAX_HANDSHAKES: usize = 256;
/// Pause after the system refused a connection (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server's side of TLS: its chain (the certificate, then the CA's, by which a first-time client knows it), its key
/// (PKCS #8 DER), and the CAs that sign client certificates.
///
/// # Errors
/// A certificate or key is damaged.
pub(crate) fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: &Zeroizing<Vec<u8>>,
    client_cas: &[CertificateDer<'static>],
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for ca in client_cas {
        roots.add(ca.clone())?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not look at the client's certificate again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Accepts connections for as long as the stream is held. Each handshake uses the newest configuration, and none waits for
/// another.
pub(crate) fn incoming(
    listener: TcpListener,
    config: watch::Receiver<Arc<ServerConfig>>,
    trust_domain: String,
    stop: &Stop,
) -> Incoming {
    let (sender, receiver) = mpsc::channel(64);
    let kill = stop.kill.clone();
    tokio::spawn(accept(listener, config, trust_domain.into(), sender, kill));
    ReceiverStream::new(receiver)
}

/// Connections, as they come out of their handshakes.
pub(crate) type Incoming = ReceiverStream<io::Result<Connection>>;

async fn accept(
    listener: TcpListener,
    config: watch::Receiver<Arc<ServerConfig>>,
    trust_domain: Arc<str>,
    sender: mpsc::Sender<io::Result<Connection>>,
    kill: CancellationToken,
) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let (Ok(connection), Ok(handshake)) = (
            connections.clone().acquire_owned().await,
            handshakes.clone().acquire_owned().await,
        ) else {
            return;
        };
        let accepted = tokio::select! {
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let acceptor = TlsAcceptor::from(config.borrow().clone());
        let (sender, trust_domain) = (sender.clone(), trust_domain.clone());
        let killed = Box::pin(kill.clone().cancelled_owned());
        tokio::spawn(async move {
            let shaken = timeout(HANDSHAKE_TIMEOUT, shake_hands(&acceptor, stream)).await;
            drop(handshake);
            let shaken = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let peer = shaken.and_then(|stream| {
                let certificate = certificate(&stream, &trust_domain)?;
                Ok((
                    stream,
                    Peer {
                        address,
                        certificate,
                    },
                ))
            });
            match peer {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        stream,
                        peer,
                        killed,
                        _permit: connection,
                    };
                    // Fails only where nobody serves any more.
                    let _ = sender.send(Ok(connection)).await;
                }
                Err(error) => {
                    tracing::debug!(%address, error = %chain(&error), "no TLS connection");
                }
            }
        });
    }
}

async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    acceptor.accept(stream).await
}

fn certificate(
    stream: &TlsStream<TcpStream>,
    trust_domain: &str,
) -> io::Result<Option<PeerCertificate>> {
    stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
        .map(|der| PeerCertificate::read(der, trust_domain))
        .transpose()
        .map_err(io::Error::other)
}

/// A connection with its peer.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    /// Cuts it off, whatever the other end and its open streams do.
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.killed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
