//! A small service behind the agent: it greets the caller by principal, which the SDK's layer has verified.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, anyhow};
use axum::extract::ConnectInfo;
use axum::{
    Extension, Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
    routing::any,
};
use cattery_sdk::verify::{Caller, SourceAddr, Verifier, VerifyLayer};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The service, serving.
pub(super) struct Upstream {
    addr: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Upstream {
    /// Serves `service` on `port` (0: a free one), and asks the agent at `socket` about every caller.
    pub(super) async fn start(service: &str, socket: &Path, port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.map_err(|why| {
            anyhow!("the service cannot listen on 127.0.0.1:{port} ({why}): choose another --upstream-port, or leave it away")
        })?;
        let addr = listener
            .local_addr()
            .context("the service has no address")?;
        let verified = VerifyLayer::new(Verifier::through_agent(service, socket)?);
        let app = Router::new()
            .fallback(any(greet))
            .layer(verified)
            .layer(middleware::from_fn(source_addr))
            .into_make_service_with_connect_info::<SocketAddr>();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let served = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app)
                .with_graceful_shutdown(stopped)
                .await
            {
                tracing::error!(%error, "the service ended");
            }
        });
        Ok(Self { addr, stop, served })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns when it serves no longer.
    pub(super) async fn ended(&mut self) {
        // However it ended, it did.
        let _ = (&mut self.served).await;
    }

    pub(super) async fn shutdown(self) {
        self.stop.cancel();
        if self.served.is_finished() {
            return;
        }
        // A connection that idles does not hold it up.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.served).await;
    }
}

async fn greet(Extension(caller): Extension<Caller>) -> String {
    format!("Hello {}\n", caller.principal)
}

/// The connection says where a request comes from.
async fn source_addr(mut request: Request, next: Next) -> Response {
    let from = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|from| from.0.ip());
    if let Some(from) = from {
        request.extensions_mut().insert(SourceAddr(from));
    }
    next.run(request).await
}
