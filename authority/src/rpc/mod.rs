//! What is spoken over the network: one small file for each service. Generated types stop here.

mod access;
mod admin;
mod call;
mod caller;
mod enrollment;
mod gate;
mod refusals;
mod service_keys;
mod turns;
mod unseal;
mod user_keys;

use std::io;
use std::time::Duration;

use cattery_proto::FILE_DESCRIPTOR_SET;
use cattery_proto::v1::admin_server::AdminServer;
use cattery_proto::v1::enrollment_server::EnrollmentServer;
use cattery_proto::v1::service_keys_server::ServiceKeysServer;
use cattery_proto::v1::unseal_server::UnsealServer;
use cattery_proto::v1::user_keys_server::UserKeysServer;
use tokio::net::UnixListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::cluster::Shared;
use crate::tls::Connection;

pub(crate) use unseal::{Open, UnsealService};

/// Verifying a long audit log and listing all users are what takes longest; their clients do not ask in parallel.
const CALLS_PER_CONNECTION: u32 = 64;
/// How often a silent connection is asked whether anybody is there, and how long it may think.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// An API key's text is the longest header: 8 KiB at the very most.
const MAX_HEADERS: u32 = 16 * 1024;
/// A grant with all its caveats is the largest request but one: 16 KiB at the very most.
const MAX_REQUEST: usize = 64 * 1024;
/// Revoking as many ids as one change takes, of principals with the longest names.
const MAX_ADMIN_REQUEST: usize = 128 * 1024;
/// A question to the health or the reflection service is a name.
const MAX_QUESTION: usize = 4 * 1024;
/// What a peer may send before it is read: a request, and two of them on one connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;

/// Serves the open authority until `shutdown`, and then what is under way.
pub(crate) async fn serve(
    authority: Shared,
    health: &HealthReporter,
    incoming: impl Stream<Item = io::Result<Connection>>,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    // Both sets are compiled in; that they can be read is a test.
    let reflection = reflection
        .ok()
        .map(|server| server.max_decoding_message_size(MAX_QUESTION));
    let admin = admin::AdminService(authority.clone());
    let enrollment = enrollment::EnrollmentService(authority.clone());
    let service_keys = service_keys::ServiceKeysService {
        authority: authority.clone(),
        drain: shutdown.clone(),
    };
    let user_keys = user_keys::UserKeysService(authority.clone());
    Server::builder()
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEP_ALIVE.0))
        .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
        .http2_max_header_list_size(MAX_HEADERS)
        .layer(gate::GateLayer::new(authority))
        .add_service(health_server(health))
        .add_optional_service(reflection)
        .add_service(EnrollmentServer::new(enrollment).max_decoding_message_size(MAX_REQUEST))
        .add_service(ServiceKeysServer::new(service_keys).max_decoding_message_size(MAX_REQUEST))
        .add_service(UserKeysServer::new(user_keys).max_decoding_message_size(MAX_REQUEST))
        .add_service(AdminServer::new(admin).max_decoding_message_size(MAX_ADMIN_REQUEST))
        .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned())
        .await
}

/// Serves the authority's own socket, sealed or open.
pub(crate) async fn serve_local<O: Open>(
    unseal: UnsealService<O>,
    health: &HealthReporter,
    listener: UnixListener,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION as usize)
        .add_service(health_server(health))
        .add_service(UnsealServer::new(unseal).max_decoding_message_size(MAX_REQUEST))
        .serve_with_incoming_shutdown(
            UnixListenerStream::new(listener),
            shutdown.cancelled_owned(),
        )
        .await
}

/// Says of the whole and of every service whether it serves.
pub(crate) async fn report(health: &HealthReporter, serving: bool) {
    let status = if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for name in [
        "",
        EnrollmentServer::<enrollment::EnrollmentService>::NAME,
        ServiceKeysServer::<service_keys::ServiceKeysService>::NAME,
        UserKeysServer::<user_keys::UserKeysService>::NAME,
        AdminServer::<admin::AdminService>::NAME,
    ] {
        health.set_service_status(name, status).await;
    }
}

fn health_server(health: &HealthReporter) -> HealthServer<HealthService> {
    HealthServer::new(HealthService::from_health_reporter(health.clone()))
        .max_decoding_message_size(MAX_QUESTION)
}
