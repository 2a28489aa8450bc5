//! Who is at the other end of a connection: what a client certificate says, once TLS has proved it.

use std::net::SocketAddr;

use cattery_core::ServiceName;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::failure::Failure;
use crate::records::{Hex, Subject};
use crate::registry::Device;

/// The other end.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: Option<PeerCertificate>,
}

/// A client certificate of this cluster.
#[derive(Clone)]
pub(crate) struct PeerCertificate {
    /// Whose it is.
    pub(crate) device: Device,
    /// When it ends, Unix seconds. A connection may live longer.
    pub(crate) not_after: u64,
}

/// A certificate that the CA signed, and that is not of a form that it signs.
#[derive(Debug, thiserror::Error)]
#[error("the client certificate is not one of an agent or an operator of `{trust_domain}`")]
pub(crate) struct UnknownForm {
    trust_domain: String,
}

impl PeerCertificate {
    /// Reads a certificate whose signature and dates were checked.
    pub(crate) fn read(der: &CertificateDer<'_>, trust_domain: &str) -> Result<Self, UnknownForm> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| UnknownForm {
            trust_domain: trust_domain.to_owned(),
        })?;
        Self::of(&certificate, trust_domain).ok_or_else(|| UnknownForm {
            trust_domain: trust_domain.to_owned(),
        })
    }

    fn of(certificate: &X509Certificate<'_>, trust_domain: &str) -> Option<Self> {
        let names = certificate.subject_alternative_name().ok()??;
        // An X.509-SVID has exactly one URI (SPIFFE X.509-SVID, section 2), and ours have nothing else.
        let [GeneralName::URI(uri)] = names.value.general_names[..] else {
            return None;
        };
        let path = uri
            .strip_prefix("spiffe://")?
            .strip_prefix(trust_domain)?
            .strip_prefix('/')?;
        let (_, name) = path.split_once('/')?;
        name.parse::<ServiceName>().ok()?;
        let mut common_names = certificate.subject().iter_common_name();
        let id = common_names.next()?.as_str().ok()?;
        if common_names.next().is_some() {
            return None;
        }
        Some(Self {
            device: Device {
                subject: path.to_owned().try_into().ok()?,
                id: id.to_owned(),
                key_sha256: Hex(Sha256::digest(certificate.public_key().raw).into()),
            },
            not_after: certificate
                .validity()
                .not_after
                .timestamp()
                .try_into()
                .ok()?,
        })
    }
}

impl PeerCertificate {
    /// Refuses one that has ended at `now`.
    pub(crate) fn check(&self, now: u64) -> Result<(), Failure> {
        if self.not_after <= now {
            return Err(Failure::Unauthenticated(
                "this connection's client certificate has ended: renew it and connect again".into(),
            ));
        }
        Ok(())
    }

    /// `service/NAME` or `operator/NAME`.
    pub(crate) fn subject(&self) -> &Subject {
        &self.device.subject
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn read(names: &[SanType], common_names: &[&str]) -> Option<PeerCertificate> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (index, name) in common_names.iter().enumerate() {
            // rcgen keeps one value for each type.
            let kind = match index {
                0 => DnType::CommonName,
                _ => DnType::CustomDnType(vec![2, 5, 4, 3]),
            };
            params.distinguished_name.push(kind, *name);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        PeerCertificate::read(certificate.der(), "example.org").ok()
    }

    #[test]
    fn only_what_the_ca_signs_is_read() {
        let photos = uri("spiffe://example.org/service/photos");
        let good = read(std::slice::from_ref(&photos), &["a1"]).unwrap();
        assert_eq!(good.subject().to_string(), "service/photos");
        assert_eq!(good.device.id, "a1");
        let good = read(&[uri("spiffe://example.org/operator/ada")], &["a1"]).unwrap();
        assert_eq!(good.subject().to_string(), "operator/ada");

        let dns = SanType::DnsName("photos".try_into().unwrap());
        let mail = uri("spiffe://example.org/service/mail");
        for names in [
            vec![],
            vec![photos.clone(), mail],
            vec![photos.clone(), dns.clone()],
            vec![dns],
            vec![uri("spiffe://example.org.evil/service/photos")],
            vec![uri("spiffe://evil/example.org/service/photos")],
            vec![uri("https://example.org/service/photos")],
            vec![uri("spiffe://example.org/authority/authority-1")],
            vec![uri("spiffe://example.org/service/")],
            vec![uri("spiffe://example.org/service/photos/mail")],
            vec![uri("spiffe://example.org/")],
        ] {
            assert!(read(&names, &["a1"]).is_none(), "{names:?}");
        }
        let one = std::slice::from_ref(&photos);
        assert!(read(one, &[]).is_none());
        assert!(read(one, &["a1", "a2"]).is_none());
    }
}
