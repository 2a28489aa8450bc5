//! gRPC on the Unix socket: the agent's service, health and reflection.

mod agent_service;
mod health;
mod in_process;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cattery_proto::FILE_DESCRIPTOR_SET;
use cattery_proto::v1::agent_server::AgentServer;
use tokio::net::UnixListener;
use tokio::time::sleep;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use crate::agent::Agent;
use agent_service::AgentService;

/// The longest presentation has about 55 KB, and forwarded ones 64 KB together; facts and claims need room beside them.
const MAX_REQUEST: usize = 256 * 1024;
/// Beyond this a connection waits for its own answers.
const MAX_STREAMS: u32 = 1_024;
/// Only a first `Mint` for a service waits for anything.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// After an accept that failed, for want of file descriptors say: the next one would fail as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, says that it does not any more, and lets open calls end.
pub(crate) async fn serve(
    agent: Arc<Agent>,
    listener: UnixListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let report = health::report(Arc::clone(&agent), reporter.clone());
    let stop = async {
        stop.await;
        health::end(&reporter).await;
    };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let service = AgentServer::new(AgentService::new(agent)).max_decoding_message_size(MAX_REQUEST);
    let incoming = UnixListenerStream::new(listener).then(async |accepted| {
        if accepted.is_err() {
            sleep(ACCEPT_PAUSE).await;
        }
        accepted
    });
    let serve = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .timeout(REQUEST_TIMEOUT)
        .add_service(service)
        .add_service(health)
        .add_service(reflection)
        .serve_with_incoming_shutdown(incoming, stop);
    tokio::select! {
        served = serve => Ok(served?),
        never = report => match never {},
    }
}
