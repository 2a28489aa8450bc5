use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{ASN1Time, FromDer as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::issue::{Role, Template, Validity, check_trust_domain};
use super::{Ca, CaError};
use crate::records::{CasRecord, Record as _, key};
use crate::seal::Sealer;
use crate::store::Store;

/// How long a CA is good for; its successor comes long before.
const LIFETIME: Duration = Duration::from_secs(3650 * 86400);

/// The first CA of a cluster.
pub const FIRST: u32 = 1;

impl Ca {
    /// Makes the first CA of a cluster with a new key, good for ten years from `now` (Unix seconds).
    ///
    /// # Errors
    ///
    /// [`CaError::TrustDomain`] above all.
    pub fn create(trust_domain: &str, now: u64) -> Result<Self, CaError> {
        check_trust_domain(trust_domain)?;
        Self::make(trust_domain, FIRST, Validity::new(now, LIFETIME))
    }

    /// Makes the next CA, with a new key, and the certificate that this one gives it: by that one, whoever knows this one alone
    /// follows it.
    ///
    /// # Errors
    ///
    /// [`CaError::Lifetime`] above all.
    pub fn successor(&self, number: u32, validity: Validity) -> Result<Successor, CaError> {
        let next = Self::make(&self.trust_domain, number, validity)?;
        let template = Template {
            trust_domain: &self.trust_domain,
            role: &Role::Ca { number, below: 0 },
            not_before: validity.not_before(),
            not_after: next.not_after.min(self.not_after),
        };
        let (params, _) = template.params()?;
        let cross = params
            .signed_by(next.issuer.key(), &self.issuer)
            .map_err(CaError::Sign)?;
        Ok(Successor {
            cross: cross.der().clone(),
            ca: next,
        })
    }

    fn make(trust_domain: &str, number: u32, validity: Validity) -> Result<Self, CaError> {
        let template = Template {
            trust_domain,
            // The one below it is its successor.
            role: &Role::Ca { number, below: 1 },
            not_before: validity.not_before(),
            not_after: validity.not_after(),
        };
        let (params, _) = template.params()?;
        let key = CaKey::generate()?;
        let certificate = params.self_signed(&key).map_err(CaError::Sign)?;
        Ok(Self {
            number,
            certificate: certificate.der().clone(),
            not_before: validity.not_before(),
            not_after: validity.not_after(),
            trust_domain: trust_domain.to_owned(),
            issuer: Issuer::new(params, key),
        })
    }

    /// What the store keeps at [`Ca::path`]: the certificate, and the key sealed for that place.
    ///
    /// # Errors
    ///
    /// [`CaError::Seal`].
    pub fn encode(&self, sealer: &Sealer) -> Result<Vec<u8>, CaError> {
        let kept = Kept {
            number: self.number,
            trust_domain: self.trust_domain.clone(),
            certificate: STANDARD.encode(&self.certificate),
            sealed_key: STANDARD
                .encode(sealer.seal(&self.path(), self.issuer.key().0.serialized_der())?),
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
        let key = CaKey::from_pkcs8(&sealer.open(&key::ca(kept.number), &sealed_key)?)?;
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(&certificate)
            .map_err(|_| CaError::Damaged)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(CaError::Damaged);
        }
        let validity = parsed.validity();
        let time = |time: ASN1Time| u64::try_from(time.timestamp()).map_err(|_| CaError::Damaged);
        let (not_before, not_after) = (time(validity.not_before)?, time(validity.not_after)?);
        check_trust_domain(&kept.trust_domain).map_err(|_| CaError::Damaged)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| CaError::Damaged)?;
        Ok(Self {
            number: kept.number,
            certificate,
            not_before,
            not_after,
            trust_domain: kept.trust_domain,
            issuer,
        })
    }

    /// Reads the CA that signs in the cluster in `store`.
    ///
    /// # Errors
    ///
    /// [`CaError`].
    pub async fn load(store: &dyn Store, sealer: &Sealer) -> Result<Self, CaError> {
        let entry = store.get(key::CAS).await?.ok_or(CaError::Missing)?;
        let cas = CasRecord::decode(&entry.key, &entry.value).map_err(|_| CaError::Damaged)?;
        Self::load_number(store, sealer, cas.line.active.number).await
    }

    /// Reads the CA with this number.
    ///
    /// # Errors
    ///
    /// [`CaError`].
    pub async fn load_number(
        store: &dyn Store,
        sealer: &Sealer,
        number: u32,
    ) -> Result<Self, CaError> {
        let entry = store.get(&key::ca(number)).await?;
        Self::decode(&entry.ok_or(CaError::Missing)?.value, sealer)
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    number: u32,
    trust_domain: String,
    certificate: String,
    sealed_key: String,
}

/// A CA that was just made after another one.
pub struct Successor {
    /// The new one.
    pub ca: Ca,
    /// Its certificate, signed by the one before: DER.
    pub cross: CertificateDer<'static>,
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
