//! An axum service that greets its callers by principal.
//!
//! ```text
//! cargo run -p cattery-sdk --example axum_service -- photos /run/cattery/photos.sock 127.0.0.1:8080
//! curl -H "Authorization: Bearer $(cattery mint photos)" http://127.0.0.1:8080/albums
//! ```

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use axum::{Extension, Router, extract::ConnectInfo, routing::get};
use cattery_sdk::verify::{Caller, Verifier, VerifyLayer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt::init();
    let mut args = std::env::args().skip(1);
    let (Some(service), Some(socket), Some(listen)) = (args.next(), args.next(), args.next())
    else {
        anyhow::bail!("usage: axum_service SERVICE AGENT_SOCKET LISTEN");
    };
    let verifier = Verifier::through_agent(&service, Path::new(&socket))?;
    let verify = VerifyLayer::new(verifier)
        .scope(|request| match request.uri.path() {
            path if path.starts_with("/albums") => Some("photos.read".to_owned()),
            _ => None,
        })
        // This server is reached directly. Behind a proxy, the address would be the proxy's: leave this away.
        .source_addr(|request| {
            let from = request.extensions.get::<ConnectInfo<SocketAddr>>();
            from.map(|ConnectInfo(from)| from.ip())
        });
    let app = Router::new().route("/albums", get(greet)).layer(verify);

    let listener = tokio::net::TcpListener::bind(&listen)
        .await
        .with_context(|| format!("cannot listen at {listen}"))?;
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
    .await?;
    Ok(())
}

async fn greet(Extension(caller): Extension<Caller>) -> String {
    format!("hello, {}\n", caller.principal)
}
