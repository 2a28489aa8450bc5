//! A key pair of one's own, and the request for a certificate (PKCS #10, RFC 2986).

use rcgen::{CertificateParams, KeyPair as Pair, PKCS_ECDSA_P256_SHA256};
use zeroize::Zeroizing;

/// An ECDSA P-256 key pair. The private half leaves only by [`KeyPair::pkcs8`].
pub struct KeyPair(Pair);

/// A key pair could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The bytes are no such key.
    #[error("the stored private key is damaged: it is not an ECDSA P-256 key in PKCS #8")]
    Damaged,
    /// The library refused.
    #[error("a key pair could not be made or used: {0}")]
    Library(#[from] rcgen::Error),
}

impl KeyPair {
    /// A fresh key pair.
    ///
    /// # Errors
    /// [`IdentityError::Library`] without randomness.
    pub fn generate() -> Result<Self, IdentityError> {
        Ok(Self(Pair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// Reads what [`KeyPair::pkcs8`] gave.
    ///
    /// # Errors
    /// [`IdentityError::Damaged`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, IdentityError> {
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from(der);
        Pair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|_| IdentityError::Damaged)
    }

    /// The private key, PKCS #8 DER (RFC 5958). A secret.
    pub fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize_der())
    }

    /// A certificate request for this key, DER. It carries no names: they are the authority's to give.
    ///
    /// # Errors
    /// [`IdentityError::Library`].
    pub fn csr(&self) -> Result<Vec<u8>, IdentityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        Ok(params.serialize_request(&self.0)?.der().to_vec())
    }
}
