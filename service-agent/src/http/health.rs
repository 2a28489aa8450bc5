//! `/healthz`: the process lives. `/readyz`: it verifies; the body says how much of the outage budget is left, and why not or what
//! to look after.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::agent::Agent;
use crate::clock::Moment;

pub(super) async fn is_alive() -> &'static str {
    "alive\n"
}

pub(super) async fn is_ready(State(agent): State<Arc<Agent>>) -> (StatusCode, String) {
    let now = Moment::now();
    let (status, word) = if agent.is_ready(now) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let mut body = format!("{word}\n{}\n", agent.budget(now));
    for note in agent.notes(now) {
        body.push_str(&note);
        body.push('\n');
    }
    (status, body)
}
