//! `/auth`: a proxy asks whether the request in front of it may pass. The answer's status and headers are RFC 6750's.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use cattery_core::{FORWARD_HEADER, ForwardHeader, authorization};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use crate::agent::Agent;
use crate::decision::{DECISION_ID, DecisionId, Face, Question};
use crate::facts::from_headers;
use crate::refusal::{RETRY_AFTER_SECONDS, Refusal, Refusals};
use crate::results::{Told, results};
use cattery_telemetry::{REQUEST_ID, TRACEPARENT};

/// The agent, and what it says where the answer is no.
pub(super) struct ForwardAuth {
    agent: Arc<Agent>,
    refusals: Refusals,
}

impl ForwardAuth {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        let refusals = Refusals::new(agent.service.as_str());
        Self { agent, refusals }
    }
}

pub(super) async fn answer(State(auth): State<Arc<ForwardAuth>>, request: Request) -> Response {
    let (agent, asked) = (&auth.agent, request.headers());
    let first = |name| asked.get(name).map(HeaderValue::as_bytes);
    let question = Question::new(
        Face::ForwardAuth,
        from_headers(asked, agent.config.header_facts),
        first(REQUEST_ID),
        first(TRACEPARENT),
    );
    let values = asked.get_all(AUTHORIZATION).iter();
    let authorization = authorization(values.map(HeaderValue::as_bytes));
    let values = asked.get_all(FORWARD_HEADER).iter();
    let forwarded = ForwardHeader::read(values.map(HeaderValue::as_bytes));
    let decided = agent.decide(&question, authorization, forwarded.as_ref(), |token| {
        Told::from(token)
    });
    let mut response = match decided.await {
        Ok((caller, forwarded)) => {
            let results = results(question.id, caller, &forwarded);
            let mut headers = HeaderMap::with_capacity(results.len() + 1);
            for (name, value) in results {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.insert(name, value);
                }
            }
            let mut response = Response::default();
            *response.headers_mut() = headers;
            response
        }
        Err(verdict) => refuse(auth.refusals.of(verdict), question.id),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refuse(refusal: &Refusal, decision: DecisionId) -> Response {
    let mut response = Response::new(Body::from(refusal.body.clone()));
    *response.status_mut() = refusal.status;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Ok(id) = HeaderValue::try_from(decision.to_string()) {
        headers.insert(DECISION_ID, id);
    }
    match &refusal.challenge {
        Some(challenge) => headers.insert(WWW_AUTHENTICATE, challenge.clone()),
        None => headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS)),
    };
    response
}
