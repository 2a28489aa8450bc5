//! The files of a home, field by field.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cattery_core::UserKey;
use cattery_proto::v1;
use cattery_sdk::{connect::Connector, keys::Cluster, tls};
use serde::{Deserialize, Serialize};

use super::Secret;

/// Which authorities to trust and where they are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterFile {
    /// Tells clusters apart, lower-case hex.
    pub(crate) cluster_id: String,
    /// The trust domain of SPIFFE IDs.
    pub(crate) trust_domain: String,
    /// CA certificates, DER in base64.
    pub(crate) trust_bundle: Vec<String>,
    /// `HOST:PORT` of each authority.
    pub(crate) addresses: Vec<String>,
}

/// `operator.json`: a certificate, and the key that goes with it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorFile {
    /// `operator/NAME`.
    pub(crate) subject: String,
    /// DER in base64.
    pub(crate) certificate: String,
    /// PKCS #8 in base64.
    pub(crate) private_key: Secret,
    /// When it was got, Unix seconds.
    pub(crate) obtained_at: u64,
    /// When the certificate ends, Unix seconds.
    pub(crate) not_after: u64,
    /// Its cluster.
    pub(crate) cluster: ClusterFile,
}

/// `enrolling.json`: the key of an enrolment as an operator whose answer has not come yet. With it the join token can be
/// used again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrollingFile {
    /// The join token's id, lower-case hex.
    pub(crate) join_token: String,
    /// PKCS #8 in base64.
    pub(crate) private_key: Secret,
}

/// `user.json`: what user keys are fetched with.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserFile {
    /// `catapi1_…`.
    pub(crate) api_key: Secret,
    /// Who the keys speak for.
    pub(crate) principal: String,
    /// The cluster, as last heard of.
    pub(crate) cluster: ClusterFile,
}

/// One of `handed-out.json`: something that was handed out and can be revoked alone. Not a secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandedOut {
    /// Of its condition `revocation`, lower-case hex.
    pub(crate) id: String,
    /// `key` or `token`.
    pub(crate) kind: String,
    /// Who it is for, in the words of whoever handed it out.
    pub(crate) whom: String,
    /// The service that it is good for.
    pub(crate) service: String,
    /// Who it speaks for.
    pub(crate) principal: String,
    /// When it was handed out, Unix seconds.
    pub(crate) handed_out_at: u64,
    /// When it ends, Unix seconds.
    pub(crate) expires_at: u64,
    /// When it was taken back from here, Unix seconds.
    #[serde(default)]
    pub(crate) taken_back_at: Option<u64>,
}

/// `agent.json`: the agent that `verify` and `status` ask.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentFile {
    /// Its Unix socket.
    pub(crate) socket: PathBuf,
}

/// `keys/SERVICE.json`: a user key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaseFile {
    /// `catkey1_…`.
    pub(crate) key: Secret,
    /// When it was got, Unix seconds.
    pub(crate) obtained_at: u64,
    /// Whether somebody handed it over, so that nobody can renew it.
    pub(crate) handed_over: bool,
    /// When a renewal last failed, Unix seconds.
    #[serde(default)]
    pub(crate) renewal_failed_at: u64,
}

impl ClusterFile {
    /// What an authority said, in the form that is kept.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        Self {
            cluster_id: cluster.cluster_id.clone(),
            trust_domain: cluster.trust_domain.clone(),
            trust_bundle: Self::bundle(&cluster.trust_bundle),
            addresses: cluster.addresses.clone(),
        }
    }

    /// CA certificates, in the form that is kept.
    pub(crate) fn bundle(certificates: &[Vec<u8>]) -> Vec<String> {
        let certificates = certificates.iter();
        certificates.map(|der| STANDARD.encode(der)).collect()
    }

    /// The CA certificates, DER; `None` where one is damaged.
    pub(crate) fn bundle_der(&self) -> Option<Vec<Vec<u8>>> {
        let bundle = self.trust_bundle.iter().map(|der| STANDARD.decode(der));
        bundle.collect::<Result<_, _>>().ok()
    }

    /// A connection to its authorities. `first` is where they once were: what is left when all that is kept is wrong.
    pub(crate) fn connector(
        &self,
        first: &[String],
        identity: Option<&tls::Identity>,
    ) -> anyhow::Result<Connector> {
        let bundle = self
            .bundle_der()
            .context("a stored CA certificate is damaged: log in again")?;
        let mut addresses = self.addresses.clone();
        addresses.extend(
            first
                .iter()
                .filter(|first| !self.addresses.contains(first))
                .cloned(),
        );
        Ok(Connector::new(
            addresses,
            &tls::Trust::Bundle(bundle),
            identity,
        )?)
    }
}

impl OperatorFile {
    /// A new certificate for `pkcs8`.
    pub(crate) fn new(identity: v1::Identity, pkcs8: &[u8], now: u64) -> anyhow::Result<Self> {
        let cluster = identity
            .cluster
            .context("the authority did not say which cluster it is")?;
        Ok(Self {
            subject: identity.subject,
            certificate: STANDARD.encode(&identity.certificate),
            private_key: Secret::of_bytes(pkcs8),
            obtained_at: now,
            not_after: identity.not_after,
            cluster: ClusterFile::of(&cluster.into()),
        })
    }

    /// Whether it should be renewed.
    pub(crate) fn is_past_half(&self, now: u64) -> bool {
        let half = self.not_after.saturating_sub(self.obtained_at) / 2;
        now >= self.obtained_at.saturating_add(half)
    }

    /// Whether it belongs to the same key pair.
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        self.private_key.expose() == other.private_key.expose()
    }

    /// The certificate and its key, for TLS.
    pub(crate) fn identity(&self) -> anyhow::Result<tls::Identity> {
        let certificate = STANDARD.decode(&self.certificate).ok();
        let certificate = certificate.context("the stored certificate is damaged: log in again")?;
        Ok(tls::Identity::new(certificate, self.private_key.bytes()?))
    }
}

impl LeaseFile {
    /// The key itself.
    pub(crate) fn user_key(&self) -> anyhow::Result<UserKey> {
        UserKey::parse_text(self.key.expose()).context("a stored key is damaged: log in again")
    }
}
