//! The cluster's own certificate authority: it says who is which service, operator or authority.
//!
//! A certificate takes nothing from a request but the public key. Everything else (names, lifetime, usage) is given by the
//! caller here, so that no request can ask for more than its sender is due.

mod csr;
mod error;
mod issue;
mod keep;
mod rollover;
mod trusted;

use cattery_core::ServiceName;
use rcgen::{Issuer, SubjectPublicKeyInfo};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use csr::RequestedKey;
pub use error::CaError;
pub use issue::{Issued, Validity};
pub use keep::{FIRST, Successor};
pub(crate) use rollover::{
    Facts as CaFacts, Leases, Needed as CaNeeded, Refused as CaRefused, Rollover, Step as CaStep,
};
pub(crate) use trusted::Cas;

use crate::records::{Hex, key};
use issue::{Role, Template};
use keep::CaKey;

/// A CA: a certificate that everyone in the cluster trusts, and its key, which is wiped when this is dropped.
pub struct Ca {
    number: u32,
    certificate: CertificateDer<'static>,
    not_before: u64,
    not_after: u64,
    trust_domain: String,
    issuer: Issuer<'static, CaKey>,
}

impl Ca {
    /// Counts the CAs of a cluster, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Where the store keeps it.
    #[must_use]
    pub fn path(&self) -> String {
        key::ca(self.number)
    }

    /// The certificate that clients and authorities trust.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of the certificate: what join tokens and API keys carry.
    #[must_use]
    pub fn fingerprint(&self) -> Hex<32> {
        Hex(Sha256::digest(&self.certificate).into())
    }

    /// When the certificate begins, Unix seconds.
    #[must_use]
    pub fn not_before(&self) -> u64 {
        self.not_before
    }

    /// When the certificate ends, Unix seconds.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// The trust domain of the SPIFFE IDs in its certificates.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// For an agent of a service: `spiffe://TRUST-DOMAIN/service/NAME`, with the agent's id as its common name.
    ///
    /// # Errors
    ///
    /// [`CaError`].
    pub fn issue_service(
        &self,
        key: &RequestedKey,
        service: &ServiceName,
        agent_id: &str,
        validity: Validity,
    ) -> Result<Issued, CaError> {
        self.issue(
            key.public_key(),
            &Role::Service {
                name: service.as_str(),
                agent_id,
            },
            validity,
        )
    }

    /// For an operator's device: `spiffe://TRUST-DOMAIN/operator/NAME`, with the device's id as its common name. The name obeys
    /// the syntax of service names.
    ///
    /// # Errors
    ///
    /// [`CaError`].
    pub fn issue_operator(
        &self,
        key: &RequestedKey,
        name: &str,
        device_id: &str,
        validity: Validity,
    ) -> Result<Issued, CaError> {
        let name = name
            .parse::<ServiceName>()
            .map_err(|_| CaError::Name("an operator's name"))?;
        self.issue(
            key.public_key(),
            &Role::Operator {
                name: name.as_str(),
                device_id,
            },
            validity,
        )
    }

    /// For an authority itself, with a new key: the only certificates that servers use. Good for the name [`AUTHORITY_NAME`](cattery_sdk::tls::AUTHORITY_NAME),
    /// wherever it listens. Answers the key (PKCS #8, DER), too.
    ///
    /// # Errors
    ///
    /// [`CaError`].
    pub fn issue_authority(
        &self,
        authority_id: &str,
        validity: Validity,
    ) -> Result<(Issued, Zeroizing<Vec<u8>>), CaError> {
        let key = CaKey::generate()?;
        let issued = self.issue(&key, &Role::Authority { id: authority_id }, validity)?;
        Ok((issued, key.to_pkcs8()))
    }

    fn issue(
        &self,
        key: &impl rcgen::PublicKeyData,
        role: &Role<'_>,
        validity: Validity,
    ) -> Result<Issued, CaError> {
        let not_after = validity.not_after().min(self.not_after);
        let template = Template {
            trust_domain: &self.trust_domain,
            role,
            not_before: validity.not_before(),
            not_after,
        };
        let (params, serial) = template.params()?;
        let certificate = params.signed_by(key, &self.issuer).map_err(CaError::Sign)?;
        Ok(Issued {
            certificate: certificate.der().clone(),
            serial,
            not_after,
            key_sha256: Hex(
                Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(key)).into(),
            ),
        })
    }
}

/// The public key of a request, as rcgen takes it.
type PublicKey = SubjectPublicKeyInfo;
