//! `grpc.health.v1`: serving while the agent verifies.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use cattery_proto::envoy::service::auth::v3::authorization_server as ext_authz;
use cattery_proto::v1::agent_server::SERVICE_NAME;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::agent::Agent;
use crate::clock::Moment;

/// How late a change may be reported.
const PERIOD: Duration = Duration::from_millis(200);

/// The whole, and each service that there is.
const NAMES: [&str; 3] = ["", SERVICE_NAME, ext_authz::SERVICE_NAME];

/// Runs until it is dropped.
pub(super) async fn report(agent: Arc<Agent>, reporter: HealthReporter) -> Infallible {
    let mut reported = None;
    loop {
        let is_ready = agent.is_ready(Moment::now());
        if reported != Some(is_ready) {
            let status = if is_ready {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            for service in NAMES {
                reporter.set_service_status(service, status).await;
            }
            reported = Some(is_ready);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Tells all who watch that nothing is served any more, and lets them go.
pub(super) async fn end(reporter: &HealthReporter) {
    for service in NAMES {
        reporter
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
    for service in NAMES {
        reporter.clone().clear_service_status(service).await;
    }
}
