//! `grpc.health.v1`: serving while the agent verifies. Who asks is told what is so right now; who watches hears of it soon.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use cattery_proto::envoy::service::auth::v3::authorization_server as ext_authz;
use cattery_proto::v1::agent_server::SERVICE_NAME;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_check_response::ServingStatus as Answer;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, HealthService};

use crate::agent::Agent;
use crate::clock::Moment;

/// How late those who watch may hear of a change.
const PERIOD: Duration = Duration::from_millis(200);

/// The whole, and each service that there is.
const NAMES: [&str; 3] = ["", SERVICE_NAME, ext_authz::SERVICE_NAME];

/// Answers with what `reporter` has been told of, and asks the agent itself whether it is ready: a proxy that was told `NOT_SERVING` comes
/// back a second later.
pub(super) struct Answers {
    agent: Arc<Agent>,
    told: HealthService,
}

impl Answers {
    pub(super) fn new(agent: Arc<Agent>, reporter: HealthReporter) -> Self {
        let told = HealthService::from_health_reporter(reporter);
        Self { agent, told }
    }
}

#[tonic::async_trait]
impl Health for Answers {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.told.check(request).await?; // a service that there is, and that has not ended
        let status = match self.agent.is_ready(Moment::now()) {
            true => Answer::Serving,
            false => Answer::NotServing,
        };
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }

    type WatchStream = <HealthService as Health>::WatchStream;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.told.watch(request).await
    }
}

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

/// Tells all who watch that nothing is served any more, and lets them go. Who asks from now on is told that there is no such service.
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
