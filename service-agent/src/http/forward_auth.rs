//! `/auth`: a proxy asks whether the request in front of it may pass. The answer's status and headers are RFC 6750's.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use cattery_core::{FORWARD_HEADER, ForwardHeader, authorization};
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};

use super::refusal::Refusals;
use super::results::{Told, headers};
use crate::agent::Agent;
use crate::decision::{Face, Question};
use crate::facts::from_headers;

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
    let (agent, refusals, asked) = (&auth.agent, &auth.refusals, request.headers());
    let question = Question::new(
        Face::ForwardAuth,
        from_headers(asked, agent.config.header_facts),
    );
    let values = asked.get_all(AUTHORIZATION).iter();
    let authorization = authorization(values.map(HeaderValue::as_bytes));
    let values = asked.get_all(FORWARD_HEADER).iter();
    let forwarded = ForwardHeader::read(values.map(HeaderValue::as_bytes));
    let decided = agent.decide(&question, authorization, forwarded.as_ref(), |token| {
        Told::from(token)
    });
    match decided.await {
        Ok((caller, forwarded)) => {
            let headers = headers(question.id, caller, &forwarded);
            (StatusCode::OK, headers).into_response()
        }
        Err(verdict) => refusals.refuse(verdict, question.id),
    }
}
