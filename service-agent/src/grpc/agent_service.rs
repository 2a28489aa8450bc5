//! `cattery.v1.Agent`. Generated types stop here.

use std::sync::Arc;

use cattery_proto::v1;
use tokio::task::spawn_blocking;
use tokio_stream::Empty;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Result, Status, Streaming};

use crate::agent::Agent;
use crate::clock::Moment;
use crate::config::Peers;
use crate::grpc::verify;
use crate::meters::{Signed, Signing};
use crate::mint::MintRefused;

/// The service, but for `VerifyStream`.
pub(super) struct AgentService {
    agent: Arc<Agent>,
}

impl AgentService {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        Self { agent }
    }

    fn admit_to_sign<T>(&self, request: &Request<T>, what: Signing) -> Result<()> {
        let admitted = admit(request, &self.agent.config.mint, "mint");
        admitted.inspect_err(|_| self.agent.meters.signing.add((what, Signed::NotAllowed)))
    }

    fn signed<T>(&self, what: Signing, signed: Result<T, MintRefused>) -> Result<Response<T>> {
        let result = signed
            .as_ref()
            .map_or_else(MintRefused::result, |_| Signed::Ok);
        self.agent.meters.signing.add((what, result));
        signed
            .map(Response::new)
            .map_err(|refused| mint_status(&refused))
    }
}

#[tonic::async_trait]
impl v1::agent_server::Agent for AgentService {
    async fn verify(
        &self,
        request: Request<v1::VerifyRequest>,
    ) -> Result<Response<v1::VerifyResponse>> {
        let (metadata, _, question) = request.into_parts();
        let answer = verify::answer(&self.agent, &metadata, &question).await;
        answer
            .map(Response::new)
            .map_err(|bad| Status::invalid_argument(bad.to_string()))
    }

    type VerifyStreamStream = Empty<Result<v1::VerifyResponse>>;

    async fn verify_stream(
        &self,
        _: Request<Streaming<v1::VerifyRequest>>,
    ) -> Result<Response<Self::VerifyStreamStream>> {
        Err(Status::unimplemented("it has a route of its own"))
    }

    async fn mint(&self, request: Request<v1::MintRequest>) -> Result<Response<v1::MintResponse>> {
        self.admit_to_sign(&request, Signing::Token)?;
        let minted = self.agent.mint(request.get_ref()).await;
        self.signed(Signing::Token, minted)
    }

    async fn sign_discharge(
        &self,
        request: Request<v1::SignDischargeRequest>,
    ) -> Result<Response<v1::SignDischargeResponse>> {
        self.admit_to_sign(&request, Signing::Discharge)?;
        let signed = self.agent.sign_discharge(request.get_ref()).await;
        self.signed(Signing::Discharge, signed)
    }

    async fn get_verification_keys(
        &self,
        request: Request<v1::GetVerificationKeysRequest>,
    ) -> Result<Response<v1::GetVerificationKeysResponse>> {
        admit(&request, &self.agent.config.in_process, "in_process")?;
        let answer = self.agent.verification_keys(request.get_ref());
        answer.map(Response::new)
    }

    async fn use_once(
        &self,
        request: Request<v1::UseOnceRequest>,
    ) -> Result<Response<v1::UseOnceResponse>> {
        admit(&request, &self.agent.config.in_process, "in_process")?;
        let answer = self.agent.use_once(request.get_ref()).await;
        answer.map(Response::new)
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>> {
        let agent = Arc::clone(&self.agent);
        // It looks at every revoked id.
        let status = spawn_blocking(move || agent.status(Moment::now())).await;
        let status = status.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(status))
    }
}

/// Lets a peer pass whose credentials, which the kernel vouches for, are in the configuration.
fn admit<T>(request: &Request<T>, peers: &Peers, section: &str) -> Result<()> {
    let info = request.extensions().get::<UdsConnectInfo>();
    let Some(credentials) = info.and_then(|info| info.peer_cred) else {
        return Err(Status::permission_denied(
            "the kernel does not say who is calling",
        ));
    };
    let (uid, gid) = (credentials.uid(), credentials.gid());
    if peers.admit(uid, gid) {
        return Ok(());
    }
    Err(Status::permission_denied(format!(
        "processes with uid {uid} and gid {gid} may not do this: the agent's configuration names those that may, in [{section}] allow_uids and allow_gids"
    )))
}

fn mint_status(refused: &MintRefused) -> Status {
    let message = refused.to_string();
    match refused {
        MintRefused::Request(_) | MintRefused::Caveat(_) | MintRefused::Mint(_) => {
            Status::invalid_argument(message)
        }
        MintRefused::NotGranted(_) => Status::permission_denied(message),
        MintRefused::NoKey(_) => Status::unavailable(message),
        MintRefused::Narrowed(_) => Status::failed_precondition(message),
    }
}
