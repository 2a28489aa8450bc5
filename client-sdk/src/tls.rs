//! TLS 1.3 to an authority: whom to trust, and who one is oneself.
//!
//! Every authority's certificate carries one fixed DNS name, [`AUTHORITY_NAME`], which the CA gives to nobody else. So the
//! check of the server's name is a check of its role, and addresses may change freely.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The DNS name in every authority's certificate. `.internal` is reserved for private use.
pub const AUTHORITY_NAME: &str = "authority.cattery.internal";

/// Which authorities to trust.
#[derive(Clone)]
pub enum Trust {
    /// Those whose CA has this SHA-256: from a join token or an API key, before there is a bundle.
    Fingerprint([u8; 32]),
    /// Those signed by one of these CA certificates, DER.
    Bundle(Vec<Vec<u8>>),
}

/// A client certificate and its key. A secret: nothing comes out again, and the key is wiped on drop.
pub struct Identity {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Identity {
    /// A certificate, DER, and its key, PKCS #8 DER.
    pub fn new(certificate: Vec<u8>, key: Zeroizing<Vec<u8>>) -> Self {
        Self { certificate, key }
    }
}

/// The server's chain holds no CA certificate with the expected fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its CA is not the one that the join token or API key names")]
pub struct WrongFingerprint;

/// A client's configuration: TLS 1.3 alone, HTTP/2, nothing but this trust.
///
/// # Errors
/// Where a certificate or the key is damaged.
pub fn client_config(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = match trust {
        Trust::Bundle(certificates) => {
            let roots = Arc::new(roots(certificates.iter().map(|der| &der[..]))?);
            builder.with_webpki_verifier(verifier(roots, &provider)?)
        }
        Trust::Fingerprint(ca_sha256) => builder
            .dangerous() // it narrows trust to one CA, and leaves every check to webpki
            .with_custom_certificate_verifier(Arc::new(Pinned {
                ca_sha256: *ca_sha256,
                provider,
            })),
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_auth_cert(
            vec![CertificateDer::from(identity.certificate.clone())],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.to_vec())),
        )?,
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn roots<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for der in certificates {
        roots.add(CertificateDer::from(der))?;
    }
    Ok(roots)
}

fn verifier(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| Error::Other(OtherError(Arc::new(error))))
}

/// Trusts the CA certificate with one fingerprint, which the server sends along, and checks the rest as ever.
#[derive(Debug)]
struct Pinned {
    ca_sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ca = intermediates
            .iter()
            .find(|der| Sha256::digest(der)[..] == self.ca_sha256)
            .ok_or_else(|| Error::Other(OtherError(Arc::new(WrongFingerprint))))?;
        verifier(Arc::new(roots(std::iter::once(&ca[..]))?), &self.provider)?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}
