//! The bare server: the agent's stack and limits, and no decisions.

use std::{io, path::Path, pin::Pin, sync::Arc, time::Duration};

use anyhow::Result;
use axum::{
    Router,
    extract::State,
    response::Response as HttpResponse,
    routing::{any, get},
};
use cattery_proto::{
    envoy::service::auth::v3::{
        CheckRequest, CheckResponse,
        authorization_server::{Authorization, AuthorizationServer},
    },
    v1::{
        self, VerifyRequest, VerifyResponse,
        agent_server::{Agent, AgentServer},
    },
};
use http::HeaderMap;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::{Stream, StreamExt as _, wrappers::UnixListenerStream};
use tonic::{Request, Response, Status, Streaming, service::Routes, transport::Server};

use super::{answers::Answers, cores};

/// Its sockets, in its folder.
pub(crate) const GRPC: &str = "bare.sock";
pub(crate) const HTTP: &str = "bare-http.sock";
/// Served by a thread for each core.
pub(crate) const BY_CORE: &str = "bare-cores.sock";

// As the agent has them.
const MAX_REQUEST: usize = 256 * 1024;
const MAX_CHECK: usize = (8 << 20) + MAX_REQUEST;
const MAX_STREAMS: u32 = 1_024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Serves until the process is ended.
///
/// # Errors
/// The answers are not there, or it cannot listen.
pub(crate) fn serve(folder: &Path) -> Result<()> {
    let answers = Answers::read(folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let grpc = UnixListener::bind(folder.join(GRPC))?;
        let http = UnixListener::bind(folder.join(HTTP))?;
        let by_core = UnixListener::bind(folder.join(BY_CORE))?;
        let routes = http_routes(answers.authorized.clone());
        let answers = Arc::new(answers);
        let same = Arc::clone(&answers);
        tokio::try_join!(
            serve_grpc(UnixListenerStream::new(grpc), answers),
            cores::serve(by_core, move |handed| serve_grpc(handed, Arc::clone(&same))),
            async { Ok(axum::serve(http, routes).await?) },
        )?;
        Ok(())
    })
}

async fn serve_grpc(
    incoming: impl Stream<Item = io::Result<UnixStream>>,
    answers: Arc<Answers>,
) -> Result<()> {
    let (_, health) = tonic_health::server::health_reporter();
    let bare = Bare(answers);
    let mut routes = Routes::default();
    routes = routes
        .add_service(AgentServer::new(bare.clone()).max_decoding_message_size(MAX_REQUEST))
        .add_service(AuthorizationServer::new(bare).max_decoding_message_size(MAX_CHECK))
        .add_service(health);
    Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .timeout(REQUEST_TIMEOUT)
        .add_routes(routes)
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

fn http_routes(headers: HeaderMap) -> Router {
    let other = || async { "\n" };
    Router::new()
        .route("/healthz", get(other))
        .route("/readyz", get(other))
        .route("/metrics", get(other))
        .route("/auth", any(auth))
        .with_state(Arc::new(headers))
}

async fn auth(State(headers): State<Arc<HeaderMap>>) -> HttpResponse {
    let mut response = HttpResponse::default();
    *response.headers_mut() = HeaderMap::clone(&headers);
    response
}

#[derive(Clone)]
struct Bare(Arc<Answers>);

#[tonic::async_trait]
impl Authorization for Bare {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(self.0.checked.clone()))
    }
}

#[tonic::async_trait]
impl Agent for Bare {
    async fn verify(&self, _: Request<VerifyRequest>) -> Result<Response<VerifyResponse>, Status> {
        Ok(Response::new(self.0.verified.clone()))
    }

    type VerifyStreamStream = Pin<Box<dyn Stream<Item = Result<VerifyResponse, Status>> + Send>>;

    async fn verify_stream(
        &self,
        request: Request<Streaming<VerifyRequest>>,
    ) -> Result<Response<Self::VerifyStreamStream>, Status> {
        let answers = Arc::clone(&self.0);
        let answer =
            move |asked: Result<VerifyRequest, Status>| asked.map(|_| answers.verified.clone());
        Ok(Response::new(Box::pin(request.into_inner().map(answer))))
    }

    // Nobody asks it for the rest.

    async fn mint(
        &self,
        _: Request<v1::MintRequest>,
    ) -> Result<Response<v1::MintResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn sign_discharge(
        &self,
        _: Request<v1::SignDischargeRequest>,
    ) -> Result<Response<v1::SignDischargeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_verification_keys(
        &self,
        _: Request<v1::GetVerificationKeysRequest>,
    ) -> Result<Response<v1::GetVerificationKeysResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn use_once(
        &self,
        _: Request<v1::UseOnceRequest>,
    ) -> Result<Response<v1::UseOnceResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
