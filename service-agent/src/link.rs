//! The link to the authorities: who the agent is to them, and the calls that it makes.

mod error;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cattery_proto::v1;
use cattery_sdk::connect::Connector;
use cattery_sdk::identity::KeyPair;
use cattery_sdk::tls::{Identity, Trust};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tracing::{info, warn};
use v1::enrollment_client::EnrollmentClient;
use v1::service_keys_client::ServiceKeysClient;
use v1::user_keys_client::UserKeysClient;

use crate::clock::unix_seconds;
use crate::state::{Enrolled, StateDir};
use crate::{cluster, recover};

pub use error::LinkError;
pub(crate) use error::{CallError, Outcome};

/// Many users with least versions make long news.
const MAX_NEWS: usize = 64 * 1024 * 1024;

/// The connections of one certificate and one trust bundle.
struct Session {
    enrolled: Arc<Enrolled>,
    connector: Connector,
    /// For single calls.
    channel: ArcSwap<Channel>,
}

/// Replaces its connections whenever the certificate, the trust bundle or the addresses change.
pub(crate) struct Link {
    dir: StateDir,
    key: KeyPair,
    session: ArcSwap<Session>,
    /// Counts the sessions.
    sessions: watch::Sender<u64>,
    /// One change of identity at a time.
    changing: Mutex<()>,
    /// Whether an authority said that there is no other certificate for this agent's key.
    has_no_way_back: AtomicBool,
}

impl Link {
    pub(crate) fn new(dir: StateDir, key: KeyPair, enrolled: Enrolled) -> Result<Self, LinkError> {
        let session = ArcSwap::from_pointee(Session::new(&key, enrolled)?);
        Ok(Self {
            dir,
            key,
            session,
            sessions: watch::Sender::new(1),
            changing: Mutex::new(()),
            has_no_way_back: AtomicBool::new(false),
        })
    }

    pub(crate) fn enrolled(&self) -> Arc<Enrolled> {
        Arc::clone(&self.session.load().enrolled)
    }

    /// The way to an authority as it is now; and whether there is another since, because the identity, the trust bundle or
    /// the addresses changed.
    pub(crate) fn way(&self) -> (Way, watch::Receiver<u64>) {
        let changes = self.sessions.subscribe(); // first: no change falls between
        let session = self.session.load_full();
        (Way { session }, changes)
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
        let mut client = UserKeysClient::new(session.channel());
        let response = client.issue_user_keys(request).await;
        session.explained(response)
    }

    /// Spends a single use for all agents of the service.
    pub(crate) async fn spend_single_use(
        &self,
        request: v1::SpendSingleUseRequest,
        patience: Duration,
    ) -> Result<v1::SpendSingleUseResponse, CallError> {
        let session = self.session.load_full();
        let channel = session.channel.load_full();
        let mut client = ServiceKeysClient::new(Channel::clone(&channel));
        let answer = timeout(patience, client.spend_single_use(request)).await;
        let answer = answer.unwrap_or_else(|_| {
            let patience = patience.as_millis();
            Err(Status::unavailable(format!("no answer in {patience} ms")))
        });
        if let Err(status) = &answer
            && status.code() == Code::Unavailable
        {
            session.turn_from(&channel);
        }
        session.explained(answer)
    }

    /// Renews the certificate, for the same key, and uses the new one from then on.
    pub(crate) async fn renew(&self, now: u64) -> Result<(), LinkError> {
        let session = self.session.load_full();
        let request = v1::RenewCertificateRequest {
            csr: self.key.csr()?,
        };
        let mut client = EnrollmentClient::new(session.channel());
        let response = client.renew_certificate(request).await;
        let response = response.map_err(|status| {
            let outcome = Outcome::of(&status, &session.connector);
            outcome.error(session.explain(&status).0)
        })?;
        let renewed = session
            .enrolled
            .renewed(response.into_inner().identity, now)?;
        self.change(|enrolled| *enrolled = renewed)
    }

    /// Gets another certificate for the same key once the last one has ended, and uses it from then on.
    pub(crate) async fn recover(&self, now: u64) -> Result<(), LinkError> {
        let recovered = recover::certificate(&self.key, &self.enrolled(), now).await;
        let outcome = recovered.as_ref().map_err(LinkError::outcome).err();
        if outcome != Some(Outcome::Failed) {
            let has_none = outcome.is_some();
            self.has_no_way_back.store(has_none, Ordering::Relaxed);
        }
        let recovered = recovered?;
        self.change(|enrolled| *enrolled = recovered)
    }

    /// What becomes of an agent whose certificate has ended: one line for people.
    pub(crate) fn way_back(&self) -> String {
        match self.has_no_way_back.load(Ordering::Relaxed) {
            false => {
                "the certificate ended: asking the authorities for another one for the same key"
                    .to_owned()
            }
            true => format!(
                "the certificate ended, and an authority gives no other one for this agent's key: {}",
                self.enrolled().remedy()
            ),
        }
    }

    /// Takes a new trust bundle and new addresses. Empty ones teach nothing.
    pub(crate) fn learn(&self, cluster: Option<v1::Cluster>) {
        let Some(cluster) = cluster else { return };
        let known = self.session.load();
        let known = &known.enrolled.cluster;
        if cluster::is_same(&cluster, known)
            || cluster.trust_bundle.is_empty()
            || cluster.addresses.is_empty()
        {
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
        self.sessions.send_modify(|count| *count += 1);
        Ok(())
    }
}

/// What an authority says on a stream.
pub(crate) type Answers = tonic::Result<Streaming<v1::FollowServiceKeysResponse>>;

/// How to reach an authority with one identity.
pub(crate) struct Way {
    session: Arc<Session>,
}

impl Way {
    /// Sends beats and receives news, over a connection of its own.
    pub(crate) fn follow<S>(&self, beats: S) -> impl Future<Output = Answers> + Send + use<S>
    where
        S: Stream<Item = v1::FollowServiceKeysRequest> + Send + 'static,
    {
        let channel = self.session.connector.channel();
        let mut client = ServiceKeysClient::new(channel).max_decoding_message_size(MAX_NEWS);
        async move { Ok(client.follow_service_keys(beats).await?.into_inner()) }
    }

    /// A failed call as one line for people.
    pub(crate) fn explain(&self, status: &Status) -> CallError {
        self.session.explain(status)
    }

    /// Whoever connects next begins with another authority.
    pub(crate) fn avoid(&self) {
        self.session.connector.avoid();
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
            channel: ArcSwap::from_pointee(connector.channel()),
            connector,
        })
    }

    fn channel(&self) -> Channel {
        Channel::clone(&self.channel.load())
    }

    /// Goes to another authority with the next call, unless somebody has done so since `used` was taken.
    fn turn_from(&self, used: &Arc<Channel>) {
        let other = Arc::new(self.connector.channel());
        if Arc::ptr_eq(&self.channel.compare_and_swap(used, other), used) {
            self.connector.avoid(); // a channel connects with its first call
        }
    }

    fn explained<T>(&self, response: tonic::Result<tonic::Response<T>>) -> Result<T, CallError> {
        response
            .map(tonic::Response::into_inner)
            .map_err(|status| self.explain(&status))
    }

    fn explain(&self, status: &Status) -> CallError {
        let why = self.connector.explain(status);
        CallError(if self.enrolled.has_ended(unix_seconds()) {
            format!("the certificate ended (the authority: {why})")
        } else {
            why
        })
    }
}
