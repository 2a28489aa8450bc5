//! `cattery.v1.Agent`. Generated types stop here.

use std::sync::Arc;

use cattery_core::{Authorization, ForwardHeader, Verified};
use cattery_proto::v1;
use tokio::task::spawn_blocking;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Result, Status};
use v1::verify_response::Result as Outcome;

use crate::agent::Agent;
use crate::clock::Moment;
use crate::config::Peers;
use crate::decision::{Face, Question};
use crate::facts::from_message;
use crate::forward::Forwarded;
use crate::mint::MintRefused;
use cattery_telemetry::{REQUEST_ID, TRACEPARENT};

/// The service.
pub(super) struct AgentService {
    pub(super) agent: Arc<Agent>,
}

impl AgentService {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        Self { agent }
    }
}

#[tonic::async_trait]
impl v1::agent_server::Agent for AgentService {
    async fn verify(
        &self,
        request: Request<v1::VerifyRequest>,
    ) -> Result<Response<v1::VerifyResponse>> {
        let (metadata, _, request) = request.into_parts();
        let facts = request.facts.unwrap_or_default();
        let facts =
            from_message(&facts).map_err(|bad| Status::invalid_argument(bad.to_string()))?;
        let forwarded = ForwardHeader::read(request.forwarded.iter().map(String::as_bytes));
        let question = Question::new(
            Face::Grpc,
            facts,
            first(&metadata, REQUEST_ID),
            first(&metadata, TRACEPARENT),
        );
        let presentation = Authorization::Presentation(&request.presentation);
        let decided = self
            .agent
            .decide(&question, presentation, forwarded.as_ref(), caller)
            .await;
        let decision_id = question.id.to_string();
        Ok(Response::new(match decided {
            Ok((caller, forwarded)) => v1::VerifyResponse {
                result: Some(Outcome::Caller(caller)),
                forwarded: forwarded.into_iter().map(verdict).collect(),
                decision_id,
            },
            Err(verdict) => v1::VerifyResponse {
                result: Some(Outcome::Denial(verdict.into())),
                forwarded: Vec::new(),
                decision_id,
            },
        }))
    }

    async fn mint(&self, request: Request<v1::MintRequest>) -> Result<Response<v1::MintResponse>> {
        admit(&request, &self.agent.config.mint, "mint")?;
        let minted = self.agent.mint(request.get_ref()).await;
        minted
            .map(Response::new)
            .map_err(|refused| mint_status(&refused))
    }

    async fn sign_discharge(
        &self,
        request: Request<v1::SignDischargeRequest>,
    ) -> Result<Response<v1::SignDischargeResponse>> {
        admit(&request, &self.agent.config.mint, "mint")?;
        let signed = self.agent.sign_discharge(request.get_ref()).await;
        signed
            .map(Response::new)
            .map_err(|refused| mint_status(&refused))
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

fn first<'a>(metadata: &'a MetadataMap, name: &str) -> Option<&'a [u8]> {
    metadata.get(name).map(AsciiMetadataValue::as_encoded_bytes)
}

fn caller(token: &Verified<'_>) -> v1::VerifiedCaller {
    let scopes = token.scopes();
    v1::VerifiedCaller {
        principal: token.principal().to_owned(),
        token_id: token.token_id().to_vec(),
        scoped: scopes.is_some(),
        scopes: scopes.map_or_else(Vec::new, |scopes| scopes.map(str::to_owned).collect()),
        claims_type: token.claims_type().to_owned(),
        claims: token.claims().to_vec(),
        epoch: token.key_id().epoch,
        not_after: token.not_after(),
        lease_id: token.key_id().lease_id.to_vec(),
    }
}

fn verdict(of: Forwarded<v1::VerifiedCaller>) -> v1::ForwardedVerdict {
    let result = match of {
        Ok(caller) => v1::forwarded_verdict::Result::Caller(caller),
        Err(refused) => v1::forwarded_verdict::Result::Denial(refused.into()),
    };
    v1::ForwardedVerdict {
        result: Some(result),
    }
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
