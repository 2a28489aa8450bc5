//! Plain HTTP on loopback, for a collector on the same machine. It must never stand in the way of what the authority is there for:
//! few connections, one question each, and no time to waste.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use prometheus_client::encoding::prometheus_text;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Metrics, health};
use crate::readiness::Readiness;

/// Most connections at the same time. They come out of the files that are left for all but agents.
const CONNECTIONS: usize = 8;
/// Longest life of one.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers until `drain`. Whoever asks again a moment later asks a successor.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: Readiness,
    drain: CancellationToken,
) {
    let service = Router::new()
        .route("/metrics", get(answer))
        .with_state(Arc::new(metrics))
        .merge(health::routes(readiness));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = drain.cancelled() => break,
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, service.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection for metrics");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

async fn converse(stream: TcpStream, service: Router) {
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1().keep_alive(false);
    let service = TowerToHyperService::new(service);
    let conversation = http.serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(PATIENCE, conversation).await {
        tracing::debug!(error, "no answer about metrics");
    }
}

async fn answer(
    State(metrics): State<Arc<Metrics>>,
) -> Result<([(http::HeaderName, &'static str); 1], String), StatusCode> {
    match metrics.text() {
        Ok(text) => Ok(([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text)),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
