use std::time::Duration;

use cattery_sdk::tls::AUTHORITY_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

use super::CaError;
use crate::records::Hex;

/// Certificates begin this long before they are made, for clocks that are behind.
const BACKDATE: u64 = 5 * 60;
/// The end of the year 9999, the last that a certificate can name (RFC 5280 section 4.1.2.5).
const LAST_TIME: u64 = 253_402_300_799;

/// A certificate, just made.
pub struct Issued {
    /// DER.
    pub certificate: CertificateDer<'static>,
    /// Its serial number, lower-case hex: what the audit log calls it.
    pub serial: String,
    /// When it ends, Unix seconds; the CA's own end where that comes first.
    pub not_after: u64,
    /// SHA-256 of its public key (DER of its SubjectPublicKeyInfo).
    pub key_sha256: Hex<32>,
}

/// How long a certificate is good for.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    now: u64,
    lifetime: Duration,
}

impl Validity {
    /// From `now` (Unix seconds), in truth from five minutes earlier.
    #[must_use]
    pub fn new(now: u64, lifetime: Duration) -> Self {
        Self { now, lifetime }
    }

    pub(crate) fn not_before(self) -> u64 {
        self.now.saturating_sub(BACKDATE)
    }

    pub(super) fn not_after(self) -> u64 {
        self.now.saturating_add(self.lifetime.as_secs())
    }
}

/// What a certificate makes of its holder. Each one has one usage of its own: no client's certificate can serve.
pub(super) enum Role<'a> {
    /// A CA, and how many others may stand between it and a certificate.
    Ca {
        number: u32,
        below: u8,
    },
    Service {
        name: &'a str,
        agent_id: &'a str,
    },
    Operator {
        name: &'a str,
        device_id: &'a str,
    },
    Authority {
        id: &'a str,
    },
}

pub(super) struct Template<'a> {
    pub(super) trust_domain: &'a str,
    pub(super) role: &'a Role<'a>,
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

impl Template<'_> {
    /// What rcgen signs, and its serial number in hex.
    pub(super) fn params(&self) -> Result<(CertificateParams, String), CaError> {
        if self.not_after <= self.not_before || self.not_after > LAST_TIME {
            return Err(CaError::Lifetime);
        }
        let serial = random_serial()?;
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let epoch = date_time_ymd(1970, 1, 1);
        params.not_before = epoch + Duration::from_secs(self.not_before);
        params.not_after = epoch + Duration::from_secs(self.not_after);
        params.distinguished_name = DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let ca_name;
        let name = match self.role {
            Role::Ca { number, below } => {
                params.is_ca = IsCa::Ca(BasicConstraints::Constrained(*below));
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
                ca_name = format!("Cattery CA {number}");
                &ca_name
            }
            Role::Service { name, agent_id } => {
                self.client(&mut params, "service", name)?;
                check_id(agent_id)?
            }
            Role::Operator { name, device_id } => {
                self.client(&mut params, "operator", name)?;
                check_id(device_id)?
            }
            Role::Authority { id } => {
                let id = check_id(id)?;
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                let name = AUTHORITY_NAME.try_into().map_err(CaError::Sign)?;
                params.subject_alt_names =
                    vec![SanType::DnsName(name), self.spiffe_id("authority", id)?];
                id
            }
        };
        params.distinguished_name.push(DnType::CommonName, name);
        Ok((params, hex::encode(serial)))
    }

    fn client(
        &self,
        params: &mut CertificateParams,
        kind: &str,
        name: &str,
    ) -> Result<(), CaError> {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![self.spiffe_id(kind, name)?];
        Ok(())
    }

    fn spiffe_id(&self, kind: &str, name: &str) -> Result<SanType, CaError> {
        let id = format!("spiffe://{}/{kind}/{name}", self.trust_domain);
        Ok(SanType::URI(id.try_into().map_err(CaError::Sign)?))
    }
}

/// SPIFFE ID, section 2.1.
pub(super) fn check_trust_domain(trust_domain: &str) -> Result<(), CaError> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if trust_domain.is_empty() || trust_domain.len() > 255 || !trust_domain.bytes().all(allowed) {
        return Err(CaError::TrustDomain(trust_domain.to_owned()));
    }
    Ok(())
}

/// Ids stand in URIs, too, and X.520 allows 64 characters.
fn check_id(id: &str) -> Result<&str, CaError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if id.is_empty() || id.len() > 64 || !id.bytes().all(allowed) {
        return Err(CaError::Name("an id"));
    }
    Ok(id)
}

/// 16 random bytes, positive and never shorter (RFC 5280 section 4.1.2.2).
fn random_serial() -> Result<[u8; 16], CaError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(CaError::Random)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}
