//! One HTTP request, to see what the service answers.

use std::net::SocketAddr;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request,
    body::Bytes,
    header::{AUTHORIZATION, HOST, HeaderValue, WWW_AUTHENTICATE},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `WWW-Authenticate`.
    pub(crate) challenge: String,
    pub(crate) body: String,
}

impl Answer {
    /// The code of a refusal: the description of the challenge (RFC 6750 section 3).
    pub(crate) fn why(&self) -> &str {
        let described = self.challenge.split_once("error_description=\"");
        described
            .and_then(|(_, rest)| rest.split('"').next())
            .unwrap_or(&self.challenge)
    }
}

/// `GET path` with a token.
pub(crate) async fn get(addr: SocketAddr, path: &str, token: &str) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(addr).await;
    let stream = stream.with_context(|| format!("nothing answers at http://{addr}"))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut bearer =
        HeaderValue::try_from(format!("Bearer {token}")).context("the token is no header")?;
    bearer.set_sensitive(true);
    let request = Request::get(path)
        .header(HOST, addr.to_string())
        .header(AUTHORIZATION, bearer)
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let challenge = response.headers().get(WWW_AUTHENTICATE);
    let challenge = challenge
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = Limited::new(response.into_body(), 64 * 1024)
        .collect()
        .await;
    let body = body
        .map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?
        .to_bytes();
    drop(sender);
    driver.abort();
    Ok(Answer {
        status,
        challenge,
        body: String::from_utf8_lossy(&body).trim_end().to_owned(),
    })
}
