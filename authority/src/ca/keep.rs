use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::FromDer as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::issue::{Role, Template, Validity, check_trust_domain};
use super::{CA_KEY, Ca, CaError};
use crate::seal::Sealer;
use crate::store::Store;

/// How long a CA is good for; its successor comes long before.
const LIFETIME: Duration = Duration::from_secs(3650 * 86400);

impl Ca {
    /// Makes a CA with a new key, good for ten years from `now` (Unix seconds).
    ///
    /// # Errors
    ///
    /// [`CaError::TrustDomain`] above all.
    pub fn create(trust_domain: &str, now: u64) -> Result<Self, CaError> {
        check_trust_domain(trust_domain)?;
        let validity = Validity::new(now, LIFETIME);
        let template = Template {
            trust_domain,
            role: &Role::Ca,
            not_before: validity.not_before(),
            not_after: validity.not_after(),
        };
        let (params, _) = template.params()?;
        let key = CaKey::generate()?;
        let certificate = params.self_signed(&key).map_err(CaError::Sign)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            not_after: validity.not_after(),
            trust_domain: trust_domain.to_owned(),
            issuer: Issuer::new(params, key),
        })
    }

    /// What the store keeps at [`CA_KEY`]: the certificate, and the key sealed for that place.
    ///
    /// # Errors
    ///
    /// [`CaError::Seal`].
    pub fn encode(&self, sealer: &Sealer) -> Result<Vec<u8>, CaError> {
        let kept = Kept {
            trust_domain: self.trust_domain.clone(),
            certificate: STANDARD.encode(&self.certificate),
            sealed_key: STANDARD.encode(sealer.seal(CA_KEY, self.issuer.key().0.serialized_der())?),
        };
        serde_json::to_vec(&kept).map_err(|_| CaError::Damaged)
    }

    /// Reads what [`Ca::encode`] made.
    ///
    /// # Errors
    ///
    /// [`CaError::Damaged`] or [`CaError::Seal`].
    pub fn decode(value: &[u8], sealer: &Sealer) -> Result<Self, CaError> {
        let kept: Kept = serde_json::from_slice(value).map_err(|_| CaError::Damaged)?;
        let certificate = STANDARD
            .decode(kept.certificate)
            .map_err(|_| CaError::Damaged)?;
        let sealed_key = STANDARD
            .decode(kept.sealed_key)
            .map_err(|_| CaError::Damaged)?;
        let certificate = CertificateDer::from(certificate);
        let key = CaKey::from_pkcs8(&sealer.open(CA_KEY, &sealed_key)?)?;
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(&certificate)
            .map_err(|_| CaError::Damaged)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(CaError::Damaged);
        }
        let not_after =
            u64::try_from(parsed.validity().not_after.timestamp()).map_err(|_| CaError::Damaged)?;
        check_trust_domain(&kept.trust_domain).map_err(|_| CaError::Damaged)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| CaError::Damaged)?;
        Ok(Self {
            certificate,
            not_after,
            trust_domain: kept.trust_domain,
            issuer,
        })
    }

    /// Reads the CA of the cluster in `store`.
    ///
    /// # Errors
    ///
    /// [`CaError`].
    pub async fn load(store: &dyn Store, sealer: &Sealer) -> Result<Self, CaError> {
        let entry = store.get(CA_KEY).await?.ok_or(CaError::Missing)?;
        Self::decode(&entry.value, sealer)
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    trust_domain: String,
    certificate: String,
    sealed_key: String,
}

/// An ECDSA P-256 key that is wiped on drop.
pub(super) struct CaKey(KeyPair);

impl CaKey {
    pub(super) fn generate() -> Result<Self, CaError> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(CaError::Sign)
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, CaError> {
        KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(der),
            &PKCS_ECDSA_P256_SHA256,
        )
        .map(Self)
        .map_err(|_| CaError::Damaged)
    }

    pub(super) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialized_der().to_vec())
    }
}

impl Drop for CaKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for CaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}
