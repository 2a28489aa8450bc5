//! An authority in a few lines: a CA, TLS, and whatever keys a test gives it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cattery_core::{KeyId, RootKey, UserKey};
use cattery_proto::v1;
use cattery_sdk::portable::{JoinToken, Portable};
use cattery_sdk::sealing::{INFO_SERVICE_KEY, INFO_USER_KEY, seal};
use cattery_sdk::tls::AUTHORITY_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa,
    KeyPair,
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Result, Status};
use v1::EpochState;
use zeroize::Zeroizing;

use crate::town::now;

pub(crate) const SERVICE: &str = "photos";

/// What the authority says from now on.
pub(crate) struct Script {
    pub(crate) epochs: Vec<(u32, EpochState, u64)>,
    pub(crate) incarnation: u64,
    pub(crate) refresh_after_seconds: u32,
    pub(crate) certificate_seconds: u64,
    pub(crate) lose_answers: bool,
    /// Whom certificates are for.
    pub(crate) subject: &'static str,
    /// Calls for keys stay without an answer.
    pub(crate) hang: bool,
    /// How many do at the moment.
    pub(crate) hanging: u32,
    pub(crate) lease_seconds: u64,
    /// How many leases were given out.
    pub(crate) leases: u32,
    pub(crate) enrolled_keys: Vec<Vec<u8>>,
    pub(crate) renewals: u32,
    pub(crate) requests: u32,
}

pub(crate) struct Authority {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

struct Shared {
    ca: CertifiedIssuer<'static, KeyPair>,
    addr: SocketAddr,
    script: Mutex<Script>,
}

/// The root key of an epoch in these tests.
pub(crate) fn root(epoch: u32) -> RootKey {
    RootKey::from_bytes([u8::try_from(epoch).unwrap(); 32])
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let script = Script {
            epochs: vec![(1, EpochState::Active, 0)],
            incarnation: 1,
            refresh_after_seconds: 1,
            certificate_seconds: 3_600,
            lose_answers: false,
            subject: "service/photos",
            hang: false,
            hanging: 0,
            lease_seconds: 600,
            leases: 0,
            enrolled_keys: Vec::new(),
            renewals: 0,
            requests: 0,
        };
        let script = Mutex::new(script);
        let mut authority = Self {
            addr,
            shared: Arc::new(Shared { ca, addr, script }),
            serving: None,
        };
        authority.serve(TcpListener::from_std(listener).unwrap());
        authority
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script.lock().unwrap()
    }

    pub(crate) fn join_token(&self) -> String {
        let token = JoinToken::new(Portable {
            id: [1; 8],
            secret: Zeroizing::new([2; 32]),
            addresses: vec![self.addr.to_string()],
            ca_sha256: Sha256::digest(self.shared.ca.der()).into(),
        });
        token.to_text().to_string()
    }

    fn serve(&mut self, listener: TcpListener) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![AUTHORITY_NAME.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.shared.ca).unwrap();
        let chain = certificate.pem() + &self.shared.ca.pem();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(chain, key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(self.shared.ca.pem()))
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
        self.script().lose_answers = true;
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

    /// Waits until the agent has heard that it gets nothing.
    pub(crate) async fn refuses(&self) {
        let requests = self.script().requests;
        until("it has asked, and asks again", async || {
            self.script().requests > requests + 1
        })
        .await;
    }
}

struct Services(Arc<Shared>);

impl Services {
    fn script(&self) -> Result<MutexGuard<'_, Script>> {
        let mut script = self.0.script.lock().unwrap();
        script.requests += 1;
        Ok(script)
    }

    fn cluster(&self) -> v1::Cluster {
        v1::Cluster {
            cluster_id: "c1".into(),
            trust_domain: "cattery.test".into(),
            trust_bundle: vec![self.0.ca.der().to_vec()],
            addresses: vec![self.0.addr.to_string()],
        }
    }

    fn identity(&self, csr: &[u8], script: &Script) -> v1::Identity {
        let csr = CertificateSigningRequestParams::from_der(&csr.to_vec().into()).unwrap();
        v1::Identity {
            subject: script.subject.into(),
            device_id: "0a0b".into(),
            certificate: csr.signed_by(&self.0.ca).unwrap().der().to_vec(),
            not_after: now() + script.certificate_seconds,
            cluster: Some(self.cluster()),
        }
    }
}

struct Hanging(Arc<Shared>);

impl Hanging {
    fn new(shared: Arc<Shared>) -> Self {
        shared.script.lock().unwrap().hanging += 1;
        Self(shared)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.script.lock().unwrap().hanging -= 1;
    }
}

fn lost(script: &Script) -> Result<()> {
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
        script.renewals += 1;
        let identity = self.identity(&request.get_ref().csr, &script);
        Ok(Response::new(v1::RenewCertificateResponse {
            identity: Some(identity),
        }))
    }
}

#[tonic::async_trait]
impl v1::service_keys_server::ServiceKeys for Services {
    async fn get_service_keys(
        &self,
        request: Request<v1::GetServiceKeysRequest>,
    ) -> Result<Response<v1::GetServiceKeysResponse>> {
        authenticated(&request)?;
        if self.script()?.hang {
            let _until_the_agent_gives_up = Hanging::new(Arc::clone(&self.0));
            std::future::pending::<()>().await;
        }
        let script = self.0.script.lock().unwrap();
        lost(&script)?;
        let receiver = &request.get_ref().receiver_public_key;
        let key = |(epoch, state, not_after): &(u32, EpochState, u64)| {
            let key = root(*epoch).service_key(&SERVICE.parse().unwrap(), 0);
            v1::ServiceKey {
                epoch: *epoch,
                generation: 0,
                state: (*state).into(),
                not_after: *not_after,
                sealed_key: seal(receiver, INFO_SERVICE_KEY, key.expose()).ok(),
            }
        };
        Ok(Response::new(v1::GetServiceKeysResponse {
            cluster: Some(self.cluster()),
            service: SERVICE.into(),
            keys: script.epochs.iter().map(key).collect(),
            incarnation: script.incarnation,
            server_time_ms: now() * 1_000,
            refresh_after_seconds: script.refresh_after_seconds,
            least_versions: vec![v1::LeastVersion {
                principal: "user/mallory".into(),
                version: 1,
            }],
        }))
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
            cluster: Some(self.cluster()),
            principal: "service/photos".into(),
            keys: request.services.iter().map(&mut issue).collect(),
            server_time_ms: now() * 1_000,
        }))
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
