//! The bare service of `ext_authz`: the agent's stack and settings, and nobody who decides anything.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use cattery_proto::envoy::service::auth::v3::{
    CheckRequest, CheckResponse,
    authorization_server::{Authorization, AuthorizationServer, SERVICE_NAME},
};
use prost::Message as _;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use tonic_health::ServingStatus;

/// As the agent has them.
const MAX_STREAMS: u32 = 1_024;
const TIMEOUT: Duration = Duration::from_secs(15);

struct Echo(CheckResponse);

#[tonic::async_trait]
impl Authorization for Echo {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }
}

/// Answers with the message in the file until it is killed.
pub(crate) fn run(socket: &Path, answer: &Path) -> Result<()> {
    let answer = fs::read(answer).with_context(|| answer.display().to_string())?;
    let echo = Echo(CheckResponse::decode(&answer[..])?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let incoming = UnixListenerStream::new(UnixListener::bind(socket)?);
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter
            .set_service_status(SERVICE_NAME, ServingStatus::Serving)
            .await;
        Server::builder()
            .max_concurrent_streams(MAX_STREAMS)
            .timeout(TIMEOUT)
            .add_service(AuthorizationServer::new(echo))
            .add_service(health)
            .serve_with_incoming(incoming)
            .await?;
        Ok(())
    })
}
