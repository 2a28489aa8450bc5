//! `UserKeys` on real TLS, with one fixed root key.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use cattery_core::{KeyId, RootKey, ServiceKey, UserKey};
use cattery_proto::v1::{
    self, Cluster, IssueUserKeysRequest, IssueUserKeysResponse, IssuedKey, KeyRefusal, issued_key,
    user_keys_server::{UserKeys, UserKeysServer},
};
use cattery_sdk::{
    portable::{ApiKey, Portable},
    sealing::{INFO_USER_KEY, seal},
    tls::{AUTHORITY_NAME, Identity},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    task::JoinHandle,
};
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

/// The services that it issues keys for.
const GRANTED: [&str; 2] = ["photos", "archive"];

pub(crate) const SECRET: [u8; 32] = [2; 32];

/// What the tests turn while it runs.
pub(crate) struct Knobs {
    pub(crate) lease_seconds: AtomicU64,
    pub(crate) epoch: AtomicU32,
    pub(crate) calls: AtomicU32,
    /// Its clock minus the tests', seconds.
    pub(crate) ahead: AtomicI64,
}

pub(crate) struct Authority {
    pub(crate) address: SocketAddr,
    pub(crate) ca: Vec<u8>,
    pub(crate) knobs: Arc<Knobs>,
    issuer: Issuer<'static, KeyPair>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    _port: TcpSocket,
}

/// A port that nobody listens at, and nobody else can take.
pub(crate) fn port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Listens at such a port.
fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(64).unwrap()
}

pub(crate) fn service_key(epoch: u32) -> ServiceKey {
    key_of(epoch, "photos")
}

fn key_of(epoch: u32, service: &str) -> ServiceKey {
    let root = RootKey::from_bytes([u8::try_from(epoch).unwrap(); 32]);
    root.service_key(&service.parse().unwrap(), 0)
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

impl Authority {
    pub(crate) async fn start() -> Self {
        Self::with_name(AUTHORITY_NAME).await
    }

    pub(crate) async fn with_name(name: &str) -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca_der = ca.self_signed(&ca_key).unwrap().der().to_vec();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(ca_der.clone())).unwrap();
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([name.to_owned()]).unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
        let chain = vec![leaf.der().clone(), CertificateDer::from(ca_der.clone())];
        let key = PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];

        let (port, address) = port();
        let listener = listen(address);
        let knobs = Arc::new(Knobs {
            lease_seconds: AtomicU64::new(3600),
            epoch: AtomicU32::new(1),
            calls: AtomicU32::new(0),
            ahead: AtomicI64::new(0),
        });
        let service = UserKeysServer::new(Issue {
            knobs: Arc::clone(&knobs),
            cluster: Cluster {
                cluster_id: "c0".into(),
                trust_domain: "example.org".into(),
                trust_bundle: vec![ca_der.clone()],
                addresses: vec![address.to_string()],
            },
        });
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, tls, service, stopped));
        Self {
            address,
            ca: ca_der,
            knobs,
            issuer,
            stop: Some(stop),
            serving,
            _port: port,
        }
    }

    pub(crate) fn api_key(&self) -> ApiKey {
        self.api_key_at(vec![self.address.to_string()])
    }

    pub(crate) fn api_key_at(&self, addresses: Vec<String>) -> ApiKey {
        ApiKey::new(Portable {
            id: [1; 8],
            secret: Zeroizing::new(SECRET),
            addresses,
            ca_sha256: Sha256::digest(&self.ca).into(),
        })
    }

    /// A certificate as a service has one.
    pub(crate) fn identity(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().signed_by(&key, &self.issuer);
        Identity::new(
            certificate.unwrap().der().to_vec(),
            Zeroizing::new(key.serialize_der()),
        )
    }

    /// Nothing listens any more, and no connection is left.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.serving).await.unwrap();
    }
}

async fn serve(
    listener: TcpListener,
    tls: ServerConfig,
    service: UserKeysServer<Issue>,
    stopped: oneshot::Receiver<()>,
) {
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let (accepted, incoming) = tokio::sync::mpsc::channel(1);
    let accepting = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            match acceptor.accept(tcp).into_fallible().await {
                Ok(stream) => {
                    let _ = accepted.send(Ok::<_, std::io::Error>(stream)).await;
                }
                // As an authority does: closed with bytes unread, it would be reset, and the alert lost.
                Err((_, mut tcp)) => {
                    let _ = tcp.shutdown().await;
                    let _ = tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await;
                }
            }
        }
    });
    let incoming = tokio_stream::wrappers::ReceiverStream::new(incoming);
    tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async { drop(stopped.await) })
        .await
        .unwrap();
    accepting.abort();
    let _ = accepting.await;
}

struct Issue {
    knobs: Arc<Knobs>,
    cluster: Cluster,
}

#[tonic::async_trait]
impl UserKeys for Issue {
    async fn issue_user_keys(
        &self,
        request: Request<IssueUserKeysRequest>,
    ) -> Result<Response<IssueUserKeysResponse>, Status> {
        self.knobs.calls.fetch_add(1, Ordering::SeqCst);
        let given = request
            .metadata()
            .get("authorization")
            .and_then(|value| {
                value
                    .to_str()
                    .ok()?
                    .strip_prefix("Bearer ")?
                    .to_owned()
                    .into()
            })
            .and_then(|text: String| ApiKey::parse(&text).ok());
        let principal = if request.peer_certs().is_some_and(|certs| !certs.is_empty()) {
            "service/web"
        } else if given.is_some_and(|key| *key.secret == SECRET) {
            "user/alice"
        } else {
            return Err(Status::unauthenticated("this API key is not known"));
        };
        let request = request.into_inner();
        let services = if request.services.is_empty() {
            vec!["photos".to_owned()]
        } else {
            request.services
        };
        let keys = services.into_iter().map(|service| {
            let result = if GRANTED.contains(&&service[..]) {
                issued_key::Result::SealedUserKey(
                    seal(
                        &request.receiver_public_key,
                        INFO_USER_KEY,
                        &self.issue(principal, &service).to_bytes(),
                    )
                    .unwrap(),
                )
            } else {
                issued_key::Result::Refusal(KeyRefusal::NotGranted.into())
            };
            IssuedKey {
                service,
                result: Some(result),
            }
        });
        Ok(Response::new(IssueUserKeysResponse {
            cluster: Some(self.cluster.clone()),
            principal: principal.into(),
            keys: keys.collect(),
            server_time_ms: self.now() * 1000,
        }))
    }

    // Nobody here asks for the rest.

    async fn create_own_api_key(
        &self,
        _: Request<v1::CreateOwnApiKeyRequest>,
    ) -> Result<Response<v1::CreateOwnApiKeyResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_own_api_keys(
        &self,
        _: Request<v1::ListOwnApiKeysRequest>,
    ) -> Result<Response<v1::ListOwnApiKeysResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_own_api_key(
        &self,
        _: Request<v1::RevokeOwnApiKeyRequest>,
    ) -> Result<Response<v1::RevokeOwnApiKeyResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_own(
        &self,
        _: Request<v1::RevokeOwnRequest>,
    ) -> Result<Response<v1::RevokeOwnResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

impl Issue {
    fn now(&self) -> u64 {
        now().saturating_add_signed(self.knobs.ahead.load(Ordering::SeqCst))
    }

    fn issue(&self, principal: &str, service: &str) -> UserKey {
        let epoch = self.knobs.epoch.load(Ordering::SeqCst);
        let id = KeyId {
            epoch,
            service,
            generation: 0,
            principal,
            version: 0,
            expires_at: self.now() + self.knobs.lease_seconds.load(Ordering::SeqCst),
            lease_id: [1; 8],
        };
        UserKey::issue(&key_of(epoch, service), &id, &[]).unwrap()
    }
}
