//! `/metrics`: for a collector, and never an answer about a request. A proxy that is set up to ask here in place of `/auth` would
//! take the 200 for a yes; so a question that speaks of another request is refused.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use prometheus_client::encoding::prometheus_text;

use crate::facts::REQUEST_HEADERS;
use crate::metrics::Metrics;

pub(super) async fn answer(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> Response {
    if REQUEST_HEADERS
        .iter()
        .any(|name| headers.contains_key(*name))
    {
        let why = "this is not forward-auth: the proxy has to ask at /auth\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
