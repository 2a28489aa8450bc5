//! A connection to the authorities: lazy, over any of their addresses, made again whenever it breaks.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::tls::{AUTHORITY_NAME, Identity, Trust, WrongFingerprint, client_config};

/// How long one address may take for TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take; an authority answers within milliseconds or not at all.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Where the authorities are and how to speak to them.
#[derive(Clone)]
pub struct Connector {
    shared: Arc<Shared>,
}

struct Shared {
    addresses: Vec<String>,
    tls: TlsConnector,
    /// Whether this side shows a certificate.
    has_identity: bool,
    /// Index of the address that last answered.
    preferred: AtomicUsize,
    /// What went wrong at the last attempt, for [`Connector::explain`].
    last_failure: Mutex<Option<String>>,
}

/// The addresses, trust or identity cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// There is nowhere to connect to.
    #[error("no authority's address is known")]
    NoAddress,
    /// A certificate or key is damaged.
    #[error("a stored certificate or private key cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl Connector {
    /// Nothing is connected before the first call.
    ///
    /// # Errors
    /// [`ConnectorError`].
    pub fn new(
        addresses: Vec<String>,
        trust: &Trust,
        identity: Option<&Identity>,
    ) -> Result<Self, ConnectorError> {
        if addresses.is_empty() {
            return Err(ConnectorError::NoAddress);
        }
        let tls = TlsConnector::from(Arc::new(client_config(trust, identity)?));
        Ok(Self {
            shared: Arc::new(Shared {
                addresses,
                tls,
                has_identity: identity.is_some(),
                preferred: AtomicUsize::new(0),
                last_failure: Mutex::new(None),
            }),
        })
    }

    /// A channel for generated clients. It connects at the first call and again after failures.
    pub fn channel(&self) -> Channel {
        let shared = Arc::clone(&self.shared);
        // Address and TLS are the connector's business (tonic refuses `https` without TLS of its own): these only fill
        // `:authority` and `:scheme`.
        Endpoint::from_static("http://authority.cattery.internal")
            .origin(Uri::from_static("https://authority.cattery.internal"))
            .timeout(CALL_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let shared = Arc::clone(&shared);
                async move { shared.connect().await.map(TokioIo::new) }
            }))
    }

    /// A failed call as one line for people: what is wrong, and what to do where that is known.
    pub fn explain(&self, status: &tonic::Status) -> String {
        let failure = self.shared.last_failure().clone();
        match (status.code(), failure) {
            (
                tonic::Code::Unavailable | tonic::Code::Unknown | tonic::Code::Cancelled,
                Some(why),
            ) => why,
            (_, None) if timed_out(status) => format!(
                "the authority at {} did not answer in time: see its log",
                self.shared.addresses.join(", ")
            ),
            // A status of this side's own making: an authority's has no source.
            (_, None) if std::error::Error::source(status).is_some() => format!(
                "the connection to the authority at {} broke: is it restarting{}?",
                self.shared.addresses.join(", "),
                if self.shared.has_identity {
                    ", or does it refuse this client's certificate"
                } else {
                    ""
                }
            ),
            _ => status.message().to_owned(),
        }
    }
}

/// Whether nobody answered in time. tonic makes that a `CANCELLED`, as the server does that was told the limit.
pub(crate) fn timed_out(status: &tonic::Status) -> bool {
    let mut source = std::error::Error::source(status);
    if source.is_none() {
        return matches!(
            status.code(),
            tonic::Code::Cancelled | tonic::Code::DeadlineExceeded
        );
    }
    while let Some(error) = source {
        if error.is::<tonic::TimeoutExpired>() {
            return true;
        }
        source = error.source();
    }
    false
}

impl Shared {
    fn last_failure(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, address: &str, error: &io::Error) -> String {
        describe(address, error, self.has_identity)
    }

    async fn connect(self: &Arc<Self>) -> io::Result<Watched> {
        let count = self.addresses.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for index in (0..count).map(|step| (first + step) % count) {
            let address = &self.addresses[index];
            let attempt = timeout(CONNECT_TIMEOUT, self.connect_to(address)).await;
            match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    *self.last_failure() = None;
                    return Ok(Watched {
                        stream,
                        address: address.clone(),
                        shared: Arc::clone(self),
                    });
                }
                Err(error) => failures.push(self.describe(address, &error)),
            }
        }
        let why = failures.join("; ");
        *self.last_failure() = Some(why.clone());
        Err(io::Error::other(why))
    }

    async fn connect_to(&self, address: &str) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(AUTHORITY_NAME).map_err(io::Error::other)?;
        self.tls.connect(name, tcp).await
    }
}

/// A connection that notes why it breaks: in TLS 1.3 a server refuses a certificate only after the client's handshake is done.
struct Watched {
    stream: TlsStream<TcpStream>,
    address: String,
    shared: Arc<Shared>,
}

impl Watched {
    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result {
            *self.shared.last_failure() = Some(self.shared.describe(&self.address, error));
        }
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.note(result)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn describe(address: &str, error: &io::Error, has_identity: bool) -> String {
    if let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        return match tls {
            rustls::Error::Other(other) if other.0.is::<WrongFingerprint>() => {
                format!(
                    "the authority at {address} is not the one meant: {WrongFingerprint}; ask for a new one"
                )
            }
            rustls::Error::InvalidCertificate(why) => format!(
                "the authority at {address} is not trusted: {why:?}; is it another cluster's, or is this clock wrong?"
            ),
            rustls::Error::AlertReceived(alert) if !has_identity => {
                format!(
                    "the authority at {address} broke off the TLS handshake ({alert:?}): see its log"
                )
            }
            rustls::Error::AlertReceived(alert) => format!(
                "the authority at {address} refused this client's certificate ({alert:?}): has it expired, or is it another cluster's?"
            ),
            other => {
                format!("the authority at {address} does not speak TLS 1.3 as expected: {other}")
            }
        };
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("no authority answers at {address} (connection refused): is it running?")
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => {
            format!(
                "the authority at {address} is running and closes connections: is it sealed, and waits for its passphrase?"
            )
        }
        io::ErrorKind::TimedOut => {
            format!(
                "no authority answers at {address} (timed out): is the address right, and reachable from here?"
            )
        }
        _ => format!("no authority can be reached at {address}: {error}"),
    }
}
