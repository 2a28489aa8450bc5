//! `Agent` on a Unix socket, as simple as it can be.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use cattery_core::{
    Demands, Denied, ForwardHeader, KeyId, Keyring, MemorySince, NoRevocations, Policy,
    RequestFacts, Scratch, SingleUse, TokenSpec, Use, UseRefused, UserKey, Verified, Verifier,
};
use cattery_proto::v1::{
    Denial, EpochState, ForwardedVerdict, GetStatusRequest, GetStatusResponse,
    GetVerificationKeysRequest, GetVerificationKeysResponse, MintRequest, MintResponse, ServiceKey,
    SignDischargeRequest, SignDischargeResponse, UseOnceRequest, UseOnceResponse, VerifiedCaller,
    VerifyRequest, VerifyResponse,
    agent_server::{Agent as AgentService, AgentServer},
    forwarded_verdict, verify_response,
};
use cattery_sdk::{
    denial,
    sealing::{INFO_SERVICE_KEY, seal},
};
use tokio::{net::UnixListener, sync::oneshot, task::JoinHandle};
use tonic::{Request, Response, Status};

use crate::authority::{now, service_key};

/// The one presenter that it takes forwarded tokens from.
const FORWARDS: &str = "service/web";

#[derive(Default)]
pub(crate) struct Knobs {
    /// The one epoch that it holds.
    pub(crate) epoch: AtomicU32,
    pub(crate) good_for_nothing: AtomicBool,
    /// It does not know of forwarded tokens.
    pub(crate) is_old: AtomicBool,
    pub(crate) verified: AtomicU32,
    /// It demands tokens that are bound to their request.
    pub(crate) demands_binding: AtomicBool,
    pub(crate) used: Memory,
}

pub(crate) struct Agent {
    _dir: tempfile::TempDir,
    pub(crate) socket: PathBuf,
    pub(crate) knobs: Arc<Knobs>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let knobs = Arc::new(Knobs::default());
        knobs.epoch.store(1, Ordering::SeqCst);
        let service = AgentServer::new(Served(Arc::clone(&knobs)));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming_shutdown(incoming, async { drop(stopped.await) })
                .await
                .unwrap();
        });
        Self {
            _dir: dir,
            socket,
            knobs,
            stop: Some(stop),
            serving,
        }
    }

    /// Nothing listens any more, and no connection is left.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.serving).await.unwrap();
        std::fs::remove_file(&self.socket).unwrap();
    }
}

#[derive(Default)]
pub(crate) struct Memory {
    marks: Mutex<HashSet<Vec<u8>>>,
    pub(crate) full: AtomicBool,
}

impl Memory {
    fn spend(&self, mark: &[u8]) -> Result<(), UseRefused> {
        if self.full.load(Ordering::SeqCst) {
            return Err(UseRefused::Full);
        }
        let is_new = self.marks.lock().unwrap().insert(mark.to_vec());
        is_new.then_some(()).ok_or(UseRefused::Replayed)
    }
}

impl SingleUse for Memory {
    fn since(&self) -> MemorySince {
        MemorySince::Always
    }

    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused> {
        self.spend(&once.mark)
    }
}

fn caller_of(verified: &Verified<'_>) -> VerifiedCaller {
    let scopes = verified.scopes();
    VerifiedCaller {
        principal: verified.principal().into(),
        token_id: verified.token_id().to_vec(),
        scoped: scopes.is_some(),
        scopes: scopes
            .map(|scopes| scopes.map(str::to_owned).collect())
            .unwrap_or_default(),
        claims_type: verified.claims_type().into(),
        claims: verified.claims().into(),
        epoch: verified.key_id().epoch,
        not_after: verified.not_after(),
        lease_id: verified.key_id().lease_id.to_vec(),
    }
}

fn denial_of(denied: &Denied<'_>) -> Denial {
    Denial {
        code: denied.code.as_str().into(),
        http_status: denial::http_status(denied.code).as_u16().into(),
    }
}

struct Served(Arc<Knobs>);

impl Served {
    fn demands_binding(&self) -> bool {
        self.0.demands_binding.load(Ordering::SeqCst)
    }

    fn epoch(&self) -> u32 {
        self.0.epoch.load(Ordering::SeqCst)
    }
}

#[tonic::async_trait]
impl AgentService for Served {
    async fn verify(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        self.0.verified.fetch_add(1, Ordering::SeqCst);
        let request = request.into_inner();
        let facts = request.facts.unwrap_or_default();
        let mut keys = Keyring::new();
        keys.insert(self.epoch(), 0, Box::new(service_key(self.epoch())));
        let verifier = Verifier {
            service: "photos",
            keys,
            revocations: NoRevocations,
            single_use: &self.0.used,
            policy: Policy {
                demands: Demands {
                    request: self.demands_binding(),
                    ..Demands::default()
                },
                ..Policy::default()
            },
        };
        let context: Vec<_> = facts
            .context
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let cert = facts.client_cert_sha256.as_deref();
        let cert = cert.map(|sha256| <[u8; 32]>::try_from(sha256).unwrap());
        let known = RequestFacts {
            method: facts.method.as_deref(),
            authority: facts.authority.as_deref(),
            path_and_query: facts.path_and_query.as_deref(),
            source_addr: facts.source_addr.map(|addr| addr.parse().unwrap()),
            client_cert_sha256: cert.as_ref(),
            scope: facts.scope.as_deref(),
            body_sha256: facts.body_sha256.map(|sha256| sha256.try_into().unwrap()),
            context: &context,
        };
        let mut scratch = Scratch::new();
        let mut answer = VerifyResponse::default();
        let caller = match verifier.verify(&request.presentation, &known, now(), &mut scratch) {
            Ok(verified) => caller_of(&verified),
            Err(denied) => {
                answer.result = Some(verify_response::Result::Denial(denial_of(&denied)));
                return Ok(Response::new(answer));
            }
        };
        let lines = request.forwarded.iter().map(String::as_bytes);
        let header = ForwardHeader::read(lines).filter(|_| !self.0.is_old.load(Ordering::SeqCst));
        for presentation in header.iter().flat_map(ForwardHeader::presentations) {
            let presenter = &caller.principal;
            let by = Some(&presenter[..]);
            let verified = verifier.verify_by(by, presentation, &known, now(), &mut scratch);
            let result = match verified {
                _ if presenter != FORWARDS => forwarded_verdict::Result::Denial(Denial {
                    code: denial::PRESENTER_NOT_TRUSTED.into(),
                    http_status: 403,
                }),
                Ok(verified) => forwarded_verdict::Result::Caller(caller_of(&verified)),
                Err(denied) => forwarded_verdict::Result::Denial(denial_of(&denied)),
            };
            let result = Some(result);
            answer.forwarded.push(ForwardedVerdict { result });
        }
        answer.result = Some(verify_response::Result::Caller(caller));
        Ok(Response::new(answer))
    }

    // Nobody here asks for it.
    type VerifyStreamStream = tokio_stream::Empty<Result<VerifyResponse, Status>>;

    async fn verify_stream(
        &self,
        _: Request<tonic::Streaming<VerifyRequest>>,
    ) -> Result<Response<Self::VerifyStreamStream>, Status> {
        Err(Status::unimplemented("this agent answers one by one"))
    }

    async fn mint(&self, request: Request<MintRequest>) -> Result<Response<MintResponse>, Status> {
        let request = request.into_inner();
        if request.audience == "music" {
            return Err(Status::unavailable("no authority answers"));
        }
        if request.audience != "photos" {
            return Err(Status::permission_denied("no grant allows it"));
        }
        let not_after = now() + u64::from(request.ttl_seconds);
        let id = KeyId {
            epoch: self.epoch(),
            service: "photos",
            generation: 0,
            principal: "service/web",
            version: 0,
            expires_at: not_after,
            lease_id: [9; 8],
        };
        let key = UserKey::issue(&service_key(self.epoch()), &id, &[]).unwrap();
        let mut token = String::new();
        let spec = TokenSpec {
            not_before: now(),
            not_after,
            token_id: [5; 16],
            ..TokenSpec::default()
        };
        key.mint(&spec, &mut token).unwrap();
        Ok(Response::new(MintResponse { token, not_after }))
    }

    async fn sign_discharge(
        &self,
        _: Request<SignDischargeRequest>,
    ) -> Result<Response<SignDischargeResponse>, Status> {
        Err(Status::permission_denied("this agent signs no discharges"))
    }

    async fn get_verification_keys(
        &self,
        request: Request<GetVerificationKeysRequest>,
    ) -> Result<Response<GetVerificationKeysResponse>, Status> {
        let receiver = request.into_inner().receiver_public_key;
        let key = service_key(self.epoch());
        let good = !self.0.good_for_nothing.load(Ordering::SeqCst);
        Ok(Response::new(GetVerificationKeysResponse {
            service: "photos".into(),
            keys: vec![ServiceKey {
                epoch: self.epoch(),
                generation: 0,
                state: EpochState::Active.into(),
                not_after: 0,
                sealed_key: Some(seal(&receiver, INFO_SERVICE_KEY, key.expose()).unwrap()),
            }],
            least_versions: Vec::new(),
            good_for_seconds: if good { 3600 } else { 0 },
            refresh_after_seconds: 60,
            leeway_seconds: 30,
            max_lifetime_seconds: 3600,
            revocation_key: vec![7; 16],
            revoked_ids_whole: true,
            forward_from: vec![FORWARDS.into()],
            demands: Some(cattery_proto::v1::Demands {
                request: self.demands_binding(),
                ..Default::default()
            }),
            ..Default::default()
        }))
    }

    async fn use_once(
        &self,
        request: Request<UseOnceRequest>,
    ) -> Result<Response<UseOnceResponse>, Status> {
        let request = request.into_inner();
        assert!(request.not_before > 0 && request.not_after > request.not_before);
        let code = match self.0.used.spend(&request.mark) {
            Ok(()) => "",
            Err(UseRefused::Replayed) => "replayed",
            Err(UseRefused::Full) => "replay_full",
        };
        Ok(Response::new(UseOnceResponse { code: code.into() }))
    }

    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
