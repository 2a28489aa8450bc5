//! The service behind the proxy, which says the same to everybody: as little work as a service can have.

use std::{
    convert::Infallible,
    io::{self, Write as _},
};

use anyhow::Result;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::PRINCIPAL;

/// What it says.
pub(super) const BODY: &[u8] = b"this is the service\n";
/// Here it says who the proxy says is calling.
pub(super) const WHO: &str = "/who";

/// Serves on loopback until it is killed.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let server = http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        WHO => {
            let who = request.headers().get(PRINCIPAL);
            Bytes::copy_from_slice(who.map_or(b"", HeaderValue::as_bytes))
        }
        _ => Bytes::from_static(BODY),
    };
    Ok(Response::new(Full::new(body)))
}
