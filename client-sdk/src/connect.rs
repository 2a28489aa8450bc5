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
    /// Index of the address that an attempt begins with: at first any, then the one that last answered.
    preferred: AtomicUsize,
    /// What went wrong at the last attempt, for [`Connector::explain`].
    last_failure: Mutex<Option<Failure>>,
}

/// An attempt that came to nothing.
#[derive(Clone)]
struct Failure {
    why: String,
    /// Whether the other side did not take this side's certificate.
    is_identity_refused: bool,
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
    /// Nothing is connected before the first call, which begins with any of the addresses: clients spread over the authorities.
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
        let first = rand::random_range(0..addresses.len());
        Ok(Self {
            shared: Arc::new(Shared {
                addresses,
                tls,
                has_identity: identity.is_some(),
                preferred: AtomicUsize::new(first),
                last_failure: Mutex::new(None),
            }),
        })
    }

    /// A channel for generated clients, with a connection of its own. It connects at the first call and again after failures.
    ///
    /// A call fails whose answer has not begun after 20 s. A stream that has begun may go on for any time.
    pub fn channel(&self) -> Channel {
        let shared = Arc::clone(&self.shared);
        // Address and TLS are the connector's business (tonic refuses `https` without TLS of its own): these only fill
        // `:authority` and `:scheme`.
        Endpoint::from_static("http://authority.cattery.internal")
            .origin(Uri::from_static("https://authority.cattery.internal"))
            .timeout(CALL_TIMEOUT) // until the response's headers: tonic does not count what comes behind them
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let shared = Arc::clone(&shared);
                async move { shared.connect().await.map(TokioIo::new) }
            }))
    }

    /// The next attempt to connect begins with the next address: for an authority that can be reached and is of no use, since it
    /// answers `UNAVAILABLE` or not at all. Connections that exist stay as they are.
    pub fn avoid(&self) {
        let count = self.shared.addresses.len();
        let _ =
            self.shared
                .preferred
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |preferred| {
                    Some((preferred + 1) % count)
                });
    }

    /// Whether the last connection broke because an authority did not take this side's certificate: it has ended by the
    /// authority's clock, say, or is another cluster's.
    pub fn is_identity_refused(&self) -> bool {
        let failure = self.shared.last_failure();
        failure
            .as_ref()
            .is_some_and(|failure| failure.is_identity_refused)
    }

    /// A failed call as one line for people: what is wrong, and what to do where that is known.
    pub fn explain(&self, status: &tonic::Status) -> String {
        let failure = self.shared.last_failure().clone();
        let failure = failure.map(|failure| failure.why);
        match (status.code(), failure) {
            // An authority that says so by itself knows better than the last connection that broke.
            (tonic::Code::Unavailable, _) if std::error::Error::source(status).is_none() => {
                status.message().to_owned()
            }
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
    fn last_failure(&self) -> std::sync::MutexGuard<'_, Option<Failure>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, address: &str, error: &io::Error) -> String {
        describe(address, error, self.has_identity)
    }

    /// Every address once, the preferred one first.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let count = self.addresses.len();
        let first = self.preferred.load(Ordering::Relaxed);
        (0..count).map(move |step| (first + step) % count)
    }

    async fn connect(self: &Arc<Self>) -> io::Result<Watched> {
        let mut failures = Vec::new();
        for index in self.order() {
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
        *self.last_failure() = Some(Failure {
            why: why.clone(),
            is_identity_refused: false,
        });
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
            *self.shared.last_failure() = Some(Failure {
                why: self.shared.describe(&self.address, error),
                is_identity_refused: self.shared.has_identity && is_alert(error),
            });
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

fn is_alert(error: &io::Error) -> bool {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::AlertReceived(_)))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn connector() -> Connector {
        let addresses = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        Connector::new(addresses, &Trust::Fingerprint([0; 32]), None).unwrap()
    }

    fn first(connector: &Connector) -> usize {
        connector.shared.order().next().unwrap()
    }

    #[test]
    fn connectors_begin_with_any_address_and_try_all() {
        let mut firsts = [0; 3];
        for _ in 0..300 {
            let connector = connector();
            firsts[first(&connector)] += 1;
            let mut order: Vec<_> = connector.shared.order().collect();
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        assert!(firsts.iter().all(|&count| count > 0), "{firsts:?}");
    }

    #[test]
    fn an_authority_to_avoid_is_the_last_to_be_asked() {
        let connector = connector();
        for _ in 0..4 {
            let avoided = first(&connector);
            connector.avoid();
            let order: Vec<_> = connector.shared.order().collect();
            assert_eq!(order[2], avoided, "{order:?}");
        }
    }
}
