//! The link to the authorities: who the agent is to them, and the calls that it makes.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cattery_proto::v1;
use cattery_sdk::connect::{Connector, ConnectorError};
use cattery_sdk::identity::{IdentityError, KeyPair};
use cattery_sdk::tls::{Identity, Trust};
use tonic::transport::Channel;
use tracing::{info, warn};
use v1::enrollment_client::EnrollmentClient;
use v1::service_keys_client::ServiceKeysClient;
use v1::user_keys_client::UserKeysClient;

use crate::clock::unix_seconds;
use crate::state::{BadIdentity, Enrolled, StateDir, StateError};

/// Many users with least versions make a long answer.
const MAX_KEYS_ANSWER: usize = 64 * 1024 * 1024;

/// A call to the authorities that came to nothing: one line for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CallError(pub(crate) String);

/// The connection of one certificate and one trust bundle.
struct Session {
    enrolled: Arc<Enrolled>,
    connector: Connector,
    channel: Channel,
}

/// Replaces its connection whenever the certificate, the trust bundle or the addresses change.
pub(crate) struct Link {
    dir: StateDir,
    key: KeyPair,
    session: ArcSwap<Session>,
    /// One change of identity at a time.
    changing: Mutex<()>,
}

/// An identity that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A stored certificate or key is damaged.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The new identity cannot be saved.
    #[error(transparent)]
    State(#[from] StateError),
    /// An answer makes no identity.
    #[error(transparent)]
    Identity(#[from] BadIdentity),
    /// The certificate request cannot be made.
    #[error(transparent)]
    Key(#[from] IdentityError),
    /// The authority did not do it.
    #[error("{0}")]
    Call(String),
}

impl Link {
    pub(crate) fn new(dir: StateDir, key: KeyPair, enrolled: Enrolled) -> Result<Self, LinkError> {
        let session = ArcSwap::from_pointee(Session::new(&key, enrolled)?);
        Ok(Self {
            dir,
            key,
            session,
            changing: Mutex::new(()),
        })
    }

    pub(crate) fn enrolled(&self) -> Arc<Enrolled> {
        Arc::clone(&self.session.load().enrolled)
    }

    pub(crate) async fn service_keys(
        &self,
        receiver_public_key: Vec<u8>,
    ) -> Result<v1::GetServiceKeysResponse, CallError> {
        let session = self.session.load_full();
        let request = v1::GetServiceKeysRequest {
            receiver_public_key,
        };
        let mut client = ServiceKeysClient::new(session.channel.clone())
            .max_decoding_message_size(MAX_KEYS_ANSWER);
        let response = client.get_service_keys(request).await;
        session.explained(response)
    }

    pub(crate) async fn user_key(
        &self,
        service: &str,
        receiver_public_key: Vec<u8>,
    ) -> Result<v1::IssueUserKeysResponse, CallError> {
        let session = self.session.load_full();
        let request = v1::IssueUserKeysRequest {
            services: vec![service.to_owned()],
            receiver_public_key,
            lease_seconds: 0,
        };
        let mut client = UserKeysClient::new(session.channel.clone());
        let response = client.issue_user_keys(request).await;
        session.explained(response)
    }

    /// Renews the certificate, for the same key, and uses the new one from then on.
    pub(crate) async fn renew(&self, now: u64) -> Result<(), LinkError> {
        let session = self.session.load_full();
        let request = v1::RenewCertificateRequest {
            csr: self.key.csr()?,
        };
        let mut client = EnrollmentClient::new(session.channel.clone());
        let response = client.renew_certificate(request).await;
        let response = session
            .explained(response)
            .map_err(|error| LinkError::Call(error.0))?;
        let identity = response.identity.ok_or(BadIdentity::Missing("identity"))?;
        let renewed = Enrolled::from_answer(identity, now)?;
        let before = &session.enrolled;
        if (&renewed.service, &renewed.agent_id) != (&before.service, &before.agent_id) {
            return Err(BadIdentity::Missing("certificate for this agent").into());
        }
        self.change(|enrolled| *enrolled = renewed)
    }

    /// Takes a new trust bundle and new addresses. Empty ones teach nothing.
    pub(crate) fn learn(&self, cluster: Option<v1::Cluster>) {
        let Some(cluster) = cluster else { return };
        let known = self.session.load();
        let known = &known.enrolled.cluster;
        if cluster == *known || cluster.trust_bundle.is_empty() || cluster.addresses.is_empty() {
            return;
        }
        if cluster.cluster_id != known.cluster_id {
            warn!("an authority says that it is of another cluster: its addresses are not taken");
            return;
        }
        match self.change(|enrolled| enrolled.cluster = cluster) {
            Ok(()) => info!("took new addresses or a new trust bundle"),
            Err(error) => warn!(%error, "cannot take new addresses or a new trust bundle"),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Enrolled)) -> Result<(), LinkError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut enrolled = Enrolled::clone(&self.enrolled());
        change(&mut enrolled);
        let session = Session::new(&self.key, enrolled)?; // what cannot be used is not saved
        session.enrolled.save(&self.dir)?;
        self.session.store(Arc::new(session));
        Ok(())
    }
}

impl Session {
    fn new(key: &KeyPair, enrolled: Enrolled) -> Result<Self, LinkError> {
        let identity = Identity::new(enrolled.certificate.clone(), key.pkcs8());
        let trust = Trust::Bundle(enrolled.cluster.trust_bundle.clone());
        let addresses = enrolled.cluster.addresses.clone();
        let connector = Connector::new(addresses, &trust, Some(&identity))?;
        Ok(Self {
            enrolled: Arc::new(enrolled),
            channel: connector.channel(),
            connector,
        })
    }

    fn explained<T>(&self, response: tonic::Result<tonic::Response<T>>) -> Result<T, CallError> {
        let status = match response {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => status,
        };
        let why = self.connector.explain(&status);
        Err(CallError(if self.enrolled.has_ended(unix_seconds()) {
            let remedy = self.enrolled.remedy();
            format!("the certificate ended: {remedy} (the authority: {why})")
        } else {
            why
        }))
    }
}
