//! `/healthz`: the process lives. `/readyz`: it serves; the body says why not.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;

use crate::readiness::Readiness;

pub(super) fn routes(readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(is_alive))
        .route("/readyz", get(is_ready))
        .with_state(readiness)
}

async fn is_alive() -> &'static str {
    "alive\n"
}

async fn is_ready(State(readiness): State<Readiness>) -> (StatusCode, String) {
    let lacks = readiness.lacks();
    if lacks.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let body = format!("not ready\n{}\n", lacks.join("\n"));
    (StatusCode::SERVICE_UNAVAILABLE, body)
}
