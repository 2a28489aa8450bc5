use rcgen::SubjectPublicKeyInfo;
use sha2::{Digest as _, Sha256};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY};
use x509_parser::prelude::FromDer as _;

use super::{CaError, PublicKey};
use crate::records::Hex;

/// The public key of a certificate request, whose sender has proved to hold the private one. Nothing else is taken from it.
pub struct RequestedKey {
    public_key: PublicKey,
    sha256: Hex<32>,
}

/// Far above what a request with a P-256 key needs.
const MAX_CSR: usize = 8 * 1024;

impl RequestedKey {
    /// Reads a request (PKCS #10, DER) and checks its signature. ECDSA P-256 keys only.
    ///
    /// # Errors
    ///
    /// [`CaError::Request`].
    pub fn from_csr(der: &[u8]) -> Result<Self, CaError> {
        if der.len() > MAX_CSR {
            return Err(CaError::Request("it is too large"));
        }
        let (rest, csr) = X509CertificationRequest::from_der(der)
            .map_err(|_| CaError::Request("it is not PKCS #10 in DER"))?;
        if !rest.is_empty() {
            return Err(CaError::Request("something follows it"));
        }
        let spki = &csr.certification_request_info.subject_pki;
        let curve = spki
            .algorithm
            .parameters
            .as_ref()
            .and_then(|curve| curve.as_oid().ok());
        if spki.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY || curve != Some(OID_EC_P256) {
            return Err(CaError::Request("its key is not an ECDSA P-256 key"));
        }
        csr.verify_signature()
            .map_err(|_| CaError::Request("its signature is wrong"))?;
        let public_key = SubjectPublicKeyInfo::from_der(spki.raw)
            .map_err(|_| CaError::Request("its key cannot be read"))?;
        Ok(Self {
            public_key,
            sha256: Hex(Sha256::digest(spki.raw).into()),
        })
    }

    /// SHA-256 of the key (DER of its SubjectPublicKeyInfo): names the key.
    #[must_use]
    pub fn sha256(&self) -> Hex<32> {
        self.sha256
    }

    pub(super) fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}
