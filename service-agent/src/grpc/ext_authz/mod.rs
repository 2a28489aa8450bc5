//! Envoy's `ext_authz`, version 3: the proxy asks whether a request may pass. Generated types stop here and in `facts`.

mod answer;

use std::sync::Arc;

use cattery_core::{FORWARD_HEADER, ForwardHeader, authorization};
use cattery_proto::envoy::service::auth::v3::attribute_context::HttpRequest;
use cattery_proto::envoy::service::auth::v3::authorization_server::Authorization;
use cattery_proto::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use tonic::{Request, Response, Result, Status};
use tracing::warn;

use crate::agent::Agent;
use crate::clock::Moment;
use crate::decision::{Face, Question};
use crate::facts::{client_certificate, from_check, header, http};
use crate::refusal::Refusals;
use crate::results::Told;
use crate::seldom::Seldom;
use cattery_telemetry::{REQUEST_ID, TRACEPARENT};

/// The service.
pub(super) struct ExtAuthz {
    agent: Arc<Agent>,
    refusals: Refusals,
    /// Saying that the proxy's configuration makes no sense.
    bad_said: Seldom,
}

impl ExtAuthz {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        Self {
            refusals: Refusals::new(agent.service.as_str()),
            bad_said: Seldom::default(),
            agent,
        }
    }
}

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>> {
        let attributes = request.into_inner().attributes.unwrap_or_default();
        let certificate = client_certificate(&attributes);
        let facts = from_check(&attributes, certificate.as_ref()).map_err(|bad| {
            if self.bad_said.is_time(Moment::now().steady) {
                warn!(%bad, "Envoy's configuration makes no sense: its requests are answered with an error");
            }
            Status::invalid_argument(bad.to_string())
        })?;
        let empty = HttpRequest::default();
        let http = http(&attributes).unwrap_or(&empty);
        let question = Question::new(
            Face::ExtAuthz,
            facts,
            header(http, REQUEST_ID).next(),
            header(http, TRACEPARENT).next(),
        );
        let authorization = authorization(header(http, "authorization"));
        let forwarded = ForwardHeader::read(header(http, FORWARD_HEADER));
        let decided = self
            .agent
            .decide(&question, authorization, forwarded.as_ref(), |token| {
                Told::from(token)
            });
        Ok(Response::new(match decided.await {
            Ok((caller, forwarded)) => answer::pass(question.id, http, caller, &forwarded),
            Err(verdict) => answer::refuse(question.id, verdict, self.refusals.of(verdict)),
        }))
    }
}
