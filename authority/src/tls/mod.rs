//! TLS 1.3 and nothing older, with client certificates for those who have one.

mod accept;
mod connection;
mod limits;
mod shares;

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use zeroize::Zeroizing;

pub(crate) use accept::{Incoming, incoming};
pub(crate) use connection::Connection;
pub use limits::FILES;

/// The server's side of TLS: its chain (the certificate, then those of CAs, by which a first-time client knows it), its key
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
