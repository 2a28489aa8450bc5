//! HTTP on loopback: forward-auth for proxies, health, and metrics.

mod forward_auth;
mod health;
mod metrics;

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use axum::serve::Listener;

use crate::agent::Agent;
use crate::metrics::Metrics;
use forward_auth::ForwardAuth;

/// Serves until `stop`, then lets open requests end.
pub(crate) async fn serve<L>(
    agent: Arc<Agent>,
    listener: L,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    axum::serve(listener, routes(agent))
        .with_graceful_shutdown(stop)
        .await
}

fn routes(agent: Arc<Agent>) -> Router {
    let auth = ForwardAuth::new(Arc::clone(&agent));
    let auth = Router::new()
        .route("/auth", any(forward_auth::answer))
        .with_state(Arc::new(auth));
    let metrics = Router::new()
        .route("/metrics", get(metrics::answer))
        .with_state(Arc::new(Metrics::new(Arc::clone(&agent))));
    Router::new()
        .route("/healthz", get(health::is_alive))
        .route("/readyz", get(health::is_ready))
        .with_state(agent)
        .merge(auth)
        .merge(metrics)
}
