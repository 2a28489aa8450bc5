//! An axum service that greets its callers by principal.
//!
//! ```text
//! cargo run -p cattery-sdk --example axum_service -- photos /run/cattery/photos.sock 127.0.0.1:8080
//! curl -H "Authorization: Bearer $(cattery mint photos)" http://127.0.0.1:8080/albums
//! ```

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request},
    middleware::map_request,
    routing::get,
};
use cattery_sdk::verify::{Caller, SourceAddr, Verifier, VerifyLayer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(service), Some(socket), Some(listen)) = (args.next(), args.next(), args.next())
    else {
        anyhow::bail!("usage: axum_service SERVICE AGENT_SOCKET LISTEN");
    };
    let verifier = Verifier::through_agent(&service, Path::new(&socket))?;
    let verify = VerifyLayer::new(verifier).scope(|request| match request.uri.path() {
        path if path.starts_with("/albums") => Some("photos.read".to_owned()),
        _ => None,
    });

    // Layers run from the last to the first: the address is set before the token is verified.
    let app = Router::new()
        .route("/albums", get(greet))
        .layer(verify)
        .layer(map_request(set_source_addr));

    let listener = tokio::net::TcpListener::bind(&listen)
        .await
        .with_context(|| format!("cannot listen at {listen}"))?;
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await?;
    Ok(())
}

async fn greet(Extension(caller): Extension<Caller>) -> String {
    format!("hello, {}\n", caller.principal)
}

/// This server is reached directly. Behind a proxy, the address would be the proxy's, and must not be set from it.
async fn set_source_addr(
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Request {
    request.extensions_mut().insert(SourceAddr(from.ip()));
    request
}
