//! Forward-auth: HTTP/1.1 with connections that are kept.

use std::{path::Path, sync::Arc};

use anyhow::{Result, ensure};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{
    load::{Ask, Calls},
    place::Place,
    questions::InTurn,
};

/// So many connections, with a question on each.
pub(crate) async fn auth(place: &Place, connections: usize) -> Result<[Calls<Auth>; 2]> {
    let [agent, bare] = place.sides();
    Ok([
        connect(&agent.http, &place.questions.auth, connections).await?,
        connect(&bare.http, &place.questions.auth, connections).await?,
    ])
}

async fn connect(
    socket: &Path,
    questions: &Arc<[HeaderMap]>,
    connections: usize,
) -> Result<Calls<Auth>> {
    let mut all = Vec::new();
    for number in 0..connections {
        all.push(Auth {
            connection: open(socket).await?,
            questions: InTurn::new(questions, number),
        });
    }
    Ok(Calls(all))
}

/// A connection to this socket.
///
/// # Errors
/// Nobody listens.
pub(crate) async fn open(socket: &Path) -> Result<SendRequest<Empty<Bytes>>> {
    let stream = TokioIo::new(UnixStream::connect(socket).await?);
    let (sender, connection) = handshake(stream).await?;
    // How it ends is seen by who asks.
    tokio::spawn(connection);
    Ok(sender)
}

/// Asks with these headers.
///
/// # Errors
/// There is no answer.
pub(crate) async fn ask(
    connection: &mut SendRequest<Empty<Bytes>>,
    headers: HeaderMap,
) -> Result<Response<Incoming>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::from_static("/auth");
    *request.headers_mut() = headers;
    connection.ready().await?;
    Ok(connection.send_request(request).await?)
}

pub(crate) struct Auth {
    connection: SendRequest<Empty<Bytes>>,
    questions: InTurn<HeaderMap>,
}

impl Ask for Auth {
    async fn ask(&mut self) -> Result<()> {
        let headers = self.questions.next().clone();
        let answer = ask(&mut self.connection, headers).await?;
        let status = answer.status();
        ensure!(status == StatusCode::OK, "a token was refused: {status}");
        answer.into_body().collect().await?;
        Ok(())
    }
}
