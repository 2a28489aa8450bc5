//! A tonic service (that of gRPC health checks, to need no code generation) that admits verified callers alone.
//!
//! ```text
//! cargo run -p cattery-sdk --example tonic_service -- photos /run/cattery/photos.sock 127.0.0.1:50051
//! ```

use std::path::Path;

use cattery_sdk::verify::{Caller, Verifier, VerifyLayer};
use tonic::{Request, Response, Status, transport::Server};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt::init();
    let mut args = std::env::args().skip(1);
    let (Some(service), Some(socket), Some(listen)) = (args.next(), args.next(), args.next())
    else {
        anyhow::bail!("usage: tonic_service SERVICE AGENT_SOCKET LISTEN");
    };
    // In-process: no call to the agent for each request. Its configuration has to name this process's user.
    let verifier = Verifier::in_process(&service, Path::new(&socket)).await?;
    Server::builder()
        .layer(VerifyLayer::new(verifier))
        .add_service(HealthServer::new(Greeter))
        .serve_with_shutdown(listen.parse()?, async {
            drop(tokio::signal::ctrl_c().await);
        })
        .await?;
    Ok(())
}

struct Greeter;

#[tonic::async_trait]
impl Health for Greeter {
    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let caller = request
            .extensions()
            .get::<Caller>()
            .ok_or_else(|| Status::internal("the verifying layer is missing"))?;
        tracing::info!(principal = caller.principal, "hello");
        let status = ServingStatus::Serving.into();
        Ok(Response::new(HealthCheckResponse { status }))
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}
