//! An authority in a few lines: a CA, TLS, and whatever a test makes it say. What it says on streams is in `streams.rs`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cattery_core::{KeyId, RevocableId, RevocationKey, RootKey, UserKey};
use cattery_proto::v1;
use cattery_sdk::portable::{JoinToken, Portable};
use cattery_sdk::sealing::{INFO_USER_KEY, seal};
use cattery_sdk::tls::AUTHORITY_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa,
    KeyPair,
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Result, Status, Streaming};
use v1::EpochState;
use zeroize::Zeroizing;

use crate::streams;
use crate::town::now;

pub(crate) const SERVICE: &str = "photos";
pub(crate) const REVOCATION_KEY: [u8; 16] = [9; 16];
const AGENT_ID: &str = "0a0b";

/// What the authority says from now on.
pub(crate) struct Script {
    pub(crate) epochs: Vec<(u32, EpochState, u64)>,
    pub(crate) incarnation: u64,
    pub(crate) sequence: u64,
    pub(crate) least_versions: Vec<(&'static str, u32)>,
    /// Each with the sequence at which it was revoked.
    pub(crate) revoked: Vec<(u64, v1::RevokedId)>,
    /// How many of them go into one news.
    pub(crate) part: usize,
    /// What has more behind it is not followed by that.
    pub(crate) holds_parts: bool,
    /// News that was sent.
    pub(crate) news: u32,
    pub(crate) revocation_key: Vec<u8>,
    pub(crate) beat_after_seconds: u32,
    /// How far its clock is ahead.
    pub(crate) ahead_seconds: i64,
    /// Agents that hold something are told only what changed.
    pub(crate) deltas: bool,
    /// What the next news adds to, whatever the agent holds.
    pub(crate) since: Option<u64>,
    pub(crate) certificate_seconds: u64,
    pub(crate) lose_answers: bool,
    /// Whom certificates are for.
    pub(crate) subject: &'static str,
    /// Beats stay without an answer.
    pub(crate) ignores_beats: bool,
    /// Those that ask for a look do.
    pub(crate) ignores_looks: bool,
    /// Streams that are open.
    pub(crate) open: u32,
    /// Streams that were opened so far.
    pub(crate) streams: u32,
    /// Streams up to this one are to end.
    pub(crate) ended: u32,
    pub(crate) beats: Vec<Beat>,
    pub(crate) lease_seconds: u64,
    /// How many leases were given out.
    pub(crate) leases: u32,
    /// Marks that are spent, each with the attempt that did it.
    pub(crate) spent: HashMap<Vec<u8>, Vec<u8>>,
    /// Answers about spending that are still to be lost.
    pub(crate) loses_spends: u32,
    /// There is no room for a mark.
    pub(crate) is_full: bool,
    pub(crate) enrolled_keys: Vec<Vec<u8>>,
    pub(crate) renewals: u32,
    /// Renewals are answered as if the certificate had ended by this authority's clock.
    pub(crate) takes_no_certificate: bool,
    pub(crate) recoveries: u32,
    /// There is no way back.
    pub(crate) recovers_nobody: bool,
    pub(crate) requests: u32,
}

/// A beat that came, of the stream with this number.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) stream: u32,
    pub(crate) request: v1::FollowServiceKeysRequest,
}

impl Beat {
    /// The sequence that the agent says it holds.
    pub(crate) fn holds(&self) -> Option<u64> {
        self.request.holds.map(|position| position.sequence)
    }
}

pub(crate) struct Authority {
    pub(crate) addr: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

pub(crate) struct Shared {
    cluster: Arc<Cluster>,
    pub(crate) script: Mutex<Script>,
    /// Streams look at the script again.
    pub(crate) changes: watch::Sender<()>,
}

/// What authorities of one cluster have in common.
struct Cluster {
    ca: CertifiedIssuer<'static, KeyPair>,
    addresses: Mutex<Vec<String>>,
}

/// The root key of an epoch in these tests.
pub(crate) fn root(epoch: u32) -> RootKey {
    RootKey::from_bytes([u8::try_from(epoch).unwrap(); 32])
}

impl Script {
    fn new() -> Self {
        Self {
            epochs: vec![(1, EpochState::Active, 0)],
            incarnation: 1,
            sequence: 1,
            least_versions: vec![("user/mallory", 1)],
            revoked: Vec::new(),
            part: 10_000,
            holds_parts: false,
            news: 0,
            revocation_key: REVOCATION_KEY.to_vec(),
            beat_after_seconds: 1,
            ahead_seconds: 0,
            deltas: false,
            since: None,
            certificate_seconds: 3_600,
            lose_answers: false,
            subject: "service/photos",
            ignores_beats: false,
            ignores_looks: false,
            open: 0,
            streams: 0,
            ended: 0,
            beats: Vec::new(),
            lease_seconds: 600,
            spent: HashMap::new(),
            loses_spends: 0,
            is_full: false,
            leases: 0,
            enrolled_keys: Vec::new(),
            renewals: 0,
            takes_no_certificate: false,
            recoveries: 0,
            recovers_nobody: false,
            requests: 0,
        }
    }
}

impl Script {
    /// Revokes an id of this principal at the next position.
    pub(crate) fn revoke(&mut self, principal: &str, id: &RevocableId) {
        self.sequence += 1;
        let key = RevocationKey::from_bytes(REVOCATION_KEY);
        let revoked = v1::RevokedId {
            fingerprint: key.fingerprint(principal, id).0.to_vec(),
            ends_at: now() + 3_600,
        };
        self.revoked.push((self.sequence, revoked));
    }
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let addresses = Mutex::default();
        Self::of(Arc::new(Cluster { ca, addresses }))
    }

    /// Another one of the same cluster, with a script of its own.
    pub(crate) async fn twin(&self) -> Self {
        Self::of(Arc::clone(&self.shared.cluster))
    }

    fn of(cluster: Arc<Cluster>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        cluster.addresses.lock().unwrap().push(addr.to_string());
        let mut authority = Self {
            addr,
            shared: Arc::new(Shared {
                cluster,
                script: Mutex::new(Script::new()),
                changes: watch::Sender::default(),
            }),
            serving: None,
        };
        authority.serve(TcpListener::from_std(listener).unwrap());
        authority
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script.lock().unwrap()
    }

    /// Changes what agents hear of, and tells them.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Script)) {
        {
            let mut script = self.script();
            script.sequence += 1;
            change(&mut script);
        }
        self.shared.changes.send_replace(());
    }

    /// The newest beat.
    pub(crate) fn last_beat(&self) -> Option<Beat> {
        self.script().beats.last().cloned()
    }

    pub(crate) fn join_token(&self) -> String {
        let token = JoinToken::new(Portable {
            id: [1; 8],
            secret: Zeroizing::new([2; 32]),
            addresses: self.shared.cluster.addresses.lock().unwrap().clone(),
            ca_sha256: Sha256::digest(self.shared.cluster.ca.der()).into(),
        });
        token.to_text().to_string()
    }

    fn serve(&mut self, listener: TcpListener) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![AUTHORITY_NAME.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.shared.cluster.ca).unwrap();
        let chain = certificate.pem() + &self.shared.cluster.ca.pem();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(chain, key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(self.shared.cluster.ca.pem()))
            .client_auth_optional(true);
        let services = || Services(Arc::clone(&self.shared));
        let served = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(v1::enrollment_server::EnrollmentServer::new(services()))
            .add_service(v1::service_keys_server::ServiceKeysServer::new(services()))
            .add_service(v1::user_keys_server::UserKeysServer::new(services()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        self.serving = Some(tokio::spawn(async move {
            let _ = served.await;
        }));
    }

    /// Connections break off, and nobody listens any more.
    pub(crate) async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
        // tonic serves each connection in a task of its own: calls on those are refused.
        self.lose_answers();
    }

    /// Calls are refused from now on, and streams end.
    pub(crate) fn lose_answers(&self) {
        self.script().lose_answers = true;
        self.end_streams();
    }

    /// Streams that are open end, and new ones are welcome.
    pub(crate) fn end_streams(&self) {
        {
            let mut script = self.script();
            script.ended = script.streams;
        }
        self.shared.changes.send_replace(());
    }

    pub(crate) async fn restart(&mut self) {
        let mut listener = None;
        until("the port is free again", async || {
            listener = TcpListener::bind(self.addr).await.ok();
            listener.is_some()
        })
        .await;
        self.script().lose_answers = false;
        self.serve(listener.unwrap());
    }

    /// Waits until the agent has come again so many times: it has turned from what it was offered before.
    pub(crate) async fn is_asked_again(&self, times: u32) {
        let streams = self.script().streams;
        until("it comes again", async || {
            self.script().streams >= streams + times
        })
        .await;
    }

    /// Waits until the agent has heard that it gets nothing.
    pub(crate) async fn refuses(&self) {
        let requests = self.script().requests;
        until("it has asked, and asks again", async || {
            self.script().requests > requests + 1
        })
        .await;
    }
}

impl Shared {
    pub(crate) fn cluster(&self) -> v1::Cluster {
        v1::Cluster {
            cluster_id: "c1".into(),
            trust_domain: "cattery.test".into(),
            trust_bundle: vec![self.cluster.ca.der().to_vec()],
            addresses: self.cluster.addresses.lock().unwrap().clone(),
        }
    }
}

struct Services(Arc<Shared>);

impl Services {
    fn script(&self) -> Result<MutexGuard<'_, Script>> {
        let mut script = self.0.script.lock().unwrap();
        script.requests += 1;
        Ok(script)
    }

    fn identity(&self, csr: &[u8], script: &Script) -> v1::Identity {
        let csr = CertificateSigningRequestParams::from_der(&csr.to_vec().into()).unwrap();
        v1::Identity {
            subject: script.subject.into(),
            device_id: AGENT_ID.into(),
            certificate: csr.signed_by(&self.0.cluster.ca).unwrap().der().to_vec(),
            not_after: now() + script.certificate_seconds,
            cluster: Some(self.0.cluster()),
        }
    }
}

pub(crate) fn lost(script: &Script) -> Result<()> {
    if script.lose_answers {
        return Err(Status::unavailable("the answer was lost"));
    }
    Ok(())
}

#[tonic::async_trait]
impl v1::enrollment_server::Enrollment for Services {
    async fn enroll(
        &self,
        request: Request<v1::EnrollRequest>,
    ) -> Result<Response<v1::EnrollResponse>> {
        let mut script = self.script()?;
        let request = request.into_inner();
        if request.join_token_secret != [2; 32] {
            return Err(Status::permission_denied("no such join token"));
        }
        let csr = &request.csr;
        let key = CertificateSigningRequestParams::from_der(&csr.clone().into()).unwrap();
        script
            .enrolled_keys
            .push(rcgen::PublicKeyData::der_bytes(&key.public_key).to_vec());
        lost(&script)?;
        let identity = Some(self.identity(csr, &script));
        Ok(Response::new(v1::EnrollResponse { identity }))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::RenewCertificateResponse>> {
        authenticated(&request)?;
        let mut script = self.script()?;
        lost(&script)?;
        if script.takes_no_certificate {
            return Err(Status::unauthenticated("it has ended"));
        }
        script.renewals += 1;
        let identity = self.identity(&request.get_ref().csr, &script);
        Ok(Response::new(v1::RenewCertificateResponse {
            identity: Some(identity),
        }))
    }

    async fn recover_certificate(
        &self,
        request: Request<v1::RecoverCertificateRequest>,
    ) -> Result<Response<v1::RecoverCertificateResponse>> {
        let shows_one = request.peer_certs().is_some_and(|shown| !shown.is_empty());
        assert!(!shows_one, "one that ended would end the connection");
        let mut script = self.script()?;
        lost(&script)?;
        let request = request.get_ref();
        let csr = CertificateSigningRequestParams::from_der(&request.csr.clone().into()).unwrap();
        let key = rcgen::PublicKeyData::der_bytes(&csr.public_key).to_vec();
        let is_known = request.agent_id == AGENT_ID && script.enrolled_keys.contains(&key);
        if script.recovers_nobody || !is_known {
            return Err(Status::unauthenticated("there is no way back"));
        }
        script.recoveries += 1;
        let identity = self.identity(&request.csr, &script);
        Ok(Response::new(v1::RecoverCertificateResponse {
            identity: Some(identity),
        }))
    }
}

#[tonic::async_trait]
impl v1::service_keys_server::ServiceKeys for Services {
    type FollowServiceKeysStream = ReceiverStream<Result<v1::FollowServiceKeysResponse>>;

    async fn follow_service_keys(
        &self,
        request: Request<Streaming<v1::FollowServiceKeysRequest>>,
    ) -> Result<Response<Self::FollowServiceKeysStream>> {
        authenticated(&request)?;
        lost(&*self.script()?)?;
        let (answers, stream) = mpsc::channel(8);
        let beats = request.into_inner();
        tokio::spawn(streams::converse(Arc::clone(&self.0), beats, answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn spend_single_use(
        &self,
        request: Request<v1::SpendSingleUseRequest>,
    ) -> Result<Response<v1::SpendSingleUseResponse>> {
        authenticated(&request)?;
        let mut script = self.script()?;
        lost(&script)?;
        let request = request.into_inner();
        assert_eq!((request.mark.len(), request.attempt.len()), (32, 16));
        let attempt = request.attempt;
        let outcome = if script.is_full {
            v1::SpendOutcome::Full
        } else if *script
            .spent
            .entry(request.mark)
            .or_insert_with(|| attempt.clone())
            == attempt
        {
            v1::SpendOutcome::Spent
        } else {
            v1::SpendOutcome::Replayed
        };
        if script.loses_spends > 0 {
            script.loses_spends -= 1;
            return Err(Status::unavailable("the answer was lost"));
        }
        let outcome = outcome.into();
        Ok(Response::new(v1::SpendSingleUseResponse { outcome }))
    }
}

#[tonic::async_trait]
impl v1::user_keys_server::UserKeys for Services {
    async fn issue_user_keys(
        &self,
        request: Request<v1::IssueUserKeysRequest>,
    ) -> Result<Response<v1::IssueUserKeysResponse>> {
        authenticated(&request)?;
        let mut script = self.script()?;
        lost(&script)?;
        let request = request.get_ref();
        let mut issue = |service: &String| {
            let result = if service == "mail" {
                script.leases += 1;
                let id = KeyId {
                    epoch: 1,
                    service: "mail",
                    generation: 0,
                    principal: "service/photos",
                    version: 0,
                    expires_at: now() + script.lease_seconds,
                    lease_id: u64::from(script.leases).to_be_bytes(),
                };
                let mail = root(1).service_key(&"mail".parse().unwrap(), 0);
                let key = UserKey::issue(&mail, &id, &[]).unwrap().to_bytes();
                let sealed = seal(&request.receiver_public_key, INFO_USER_KEY, &key).unwrap();
                v1::issued_key::Result::SealedUserKey(sealed)
            } else {
                v1::issued_key::Result::Refusal(v1::KeyRefusal::NotGranted.into())
            };
            v1::IssuedKey {
                service: service.clone(),
                result: Some(result),
            }
        };
        Ok(Response::new(v1::IssueUserKeysResponse {
            cluster: Some(self.0.cluster()),
            principal: "service/photos".into(),
            keys: request.services.iter().map(&mut issue).collect(),
            server_time_ms: now() * 1_000,
        }))
    }

    // Nobody here asks for the rest.

    async fn create_own_api_key(
        &self,
        _: Request<v1::CreateOwnApiKeyRequest>,
    ) -> Result<Response<v1::CreateOwnApiKeyResponse>> {
        Err(Status::unimplemented(""))
    }

    async fn list_own_api_keys(
        &self,
        _: Request<v1::ListOwnApiKeysRequest>,
    ) -> Result<Response<v1::ListOwnApiKeysResponse>> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_own_api_key(
        &self,
        _: Request<v1::RevokeOwnApiKeyRequest>,
    ) -> Result<Response<v1::RevokeOwnApiKeyResponse>> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_own(
        &self,
        _: Request<v1::RevokeOwnRequest>,
    ) -> Result<Response<v1::RevokeOwnResponse>> {
        Err(Status::unimplemented(""))
    }
}

fn authenticated<T>(request: &Request<T>) -> Result<()> {
    match request.peer_certs() {
        Some(certificates) if !certificates.is_empty() => Ok(()),
        _ => Err(Status::unauthenticated("no client certificate")),
    }
}

/// Looks until it is so.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(60);
    while !look().await {
        assert!(tokio::time::Instant::now() < patience, "never: {what}");
        nap().await;
    }
}

/// Between two looks.
pub(crate) async fn nap() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
