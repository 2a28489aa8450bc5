//! gRPC on the Unix socket: the agent's service, Envoy's `ext_authz`, health and reflection; on loopback TCP, `ext_authz` and health.

mod agent_service;
mod ext_authz;
mod health;
mod in_process;
mod verify;
mod verify_stream;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cattery_proto::FILE_DESCRIPTOR_SET;
use cattery_proto::envoy::service::auth::v3::authorization_server::AuthorizationServer;
use cattery_proto::v1::agent_server::AgentServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpIncoming};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthReporter;

use crate::agent::Agent;
use agent_service::AgentService;
use ext_authz::ExtAuthz;

/// Why a server ends that nobody stopped.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The longest presentation has about 55 KB, and forwarded ones 64 KB together; facts and claims need room beside them.
const MAX_REQUEST: usize = 256 * 1024;
/// Room for the longest headers and for a body of 8 MiB.
const MAX_CHECK: usize = (8 << 20) + MAX_REQUEST;
/// Beyond this a connection waits for its own answers.
const MAX_STREAMS: u32 = 1_024;
/// Only a first `Mint` for a service waits for anything.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// After an accept that failed, for want of file descriptors say: the next one would fail as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves all there is on a Unix socket until `stop`, says that it does not any more, and lets open calls end.
pub(crate) async fn serve(
    agent: Arc<Agent>,
    listener: UnixListener,
    stop: CancellationToken,
) -> Result<(), Failed> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let service = AgentService::new(Arc::clone(&agent));
    let router = Routes::default().into_axum_router();
    let router = verify_stream::add(router, Arc::clone(&agent), stop.clone());
    let routes = Routes::from(router)
        .add_service(AgentServer::new(service).max_decoding_message_size(MAX_REQUEST))
        .add_service(reflection);
    let incoming = paused(UnixListenerStream::new(listener));
    serve_routes(agent, routes, incoming, stop.cancelled_owned()).await
}

/// The same over TCP with `ext_authz` alone: whoever is on this machine can connect.
pub(crate) async fn serve_ext_authz(
    agent: Arc<Agent>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Failed> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    serve_routes(agent, Routes::default(), paused(incoming), stop).await
}

async fn serve_routes<IO>(
    agent: Arc<Agent>,
    routes: Routes,
    incoming: impl Stream<Item = io::Result<IO>>,
    stop: impl Future<Output = ()>,
) -> Result<(), Failed>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let reporter = HealthReporter::new();
    let health = health::Answers::new(Arc::clone(&agent), reporter.clone());
    let health = HealthServer::new(health);
    let report = health::report(Arc::clone(&agent), reporter.clone());
    let stop = async {
        stop.await;
        health::end(&reporter).await;
    };
    let ext_authz = AuthorizationServer::new(ExtAuthz::new(agent));
    let routes = routes
        .add_service(ext_authz.max_decoding_message_size(MAX_CHECK))
        .add_service(health);
    let serve = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .timeout(REQUEST_TIMEOUT)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop);
    tokio::select! {
        served = serve => Ok(served?),
        never = report => match never {},
    }
}

/// After a failed accept it waits for a moment.
fn paused<IO>(incoming: impl Stream<Item = io::Result<IO>>) -> impl Stream<Item = io::Result<IO>> {
    incoming.then(async |accepted| {
        if accepted.is_err() {
            sleep(ACCEPT_PAUSE).await;
        }
        accepted
    })
}
