//! Who is at the other end of a connection: what a client certificate says, once TLS has proved it.

use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

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
    /// `service/NAME` or `operator/NAME`.
    pub(crate) fn subject(&self) -> &Subject {
        &self.device.subject
    }
}
