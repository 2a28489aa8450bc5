//! A client that asks again as soon as it was answered, on connections that stay open.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use cattery_report::rounds::spread;
use http::{
    HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, HOST},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime::Runtime, task::JoinSet};

use super::PATH;

/// A slice of a round begins with so great a part of it that does not count: caches and branches are another setup's still.
const WARM_UP: u32 = 10;

/// What a slice came to.
#[derive(Clone, Copy)]
pub(super) struct Slice {
    /// All of them, those that do not count as well.
    pub(super) requests: u32,
    pub(super) per_second: f64,
    /// Microseconds.
    pub(super) p50: f64,
    /// Microseconds.
    pub(super) p99: f64,
}

/// One client with its connections, and the tokens that it shows, one after the other.
pub(super) struct Load {
    connections: Vec<Connection>,
}

struct Connection {
    send: SendRequest<Empty<Bytes>>,
    tokens: Vec<HeaderValue>,
    next: usize,
}

impl Load {
    /// Connects `at_once` times, and shows these tokens: each connection begins with another one.
    pub(super) async fn connect(
        addr: SocketAddr,
        tokens: &[String],
        at_once: usize,
    ) -> Result<Self> {
        let bearer = |token: &String| HeaderValue::try_from(format!("Bearer {token}"));
        let tokens: Vec<_> = tokens.iter().map(bearer).collect::<Result<_, _>>()?;
        let mut connections = Vec::new();
        for index in 0..at_once {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            let (send, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            connections.push(Connection {
                send,
                tokens: tokens.clone(),
                next: index * tokens.len() / at_once,
            });
        }
        Ok(Self { connections })
    }

    /// Asks for as long as `slice`.
    pub(super) fn run(&mut self, runtime: &Runtime, slice: Duration) -> Result<Slice> {
        runtime.block_on(async {
            let begin = Instant::now() + slice / WARM_UP;
            let end = begin + slice;
            let mut askers = JoinSet::new();
            for mut connection in self.connections.drain(..) {
                askers.spawn(async move {
                    let took = connection.ask(begin, end).await?;
                    anyhow::Ok((connection, took))
                });
            }
            let (mut requests, mut all) = (0, Vec::new());
            while let Some(asked) = askers.join_next().await {
                let (connection, asked) = asked??;
                self.connections.push(connection);
                requests += asked.requests;
                all.extend(asked.took);
            }
            let per_second = all.len() as f64 / slice.as_secs_f64();
            let [p50, p99, _] = spread(&mut all).map(|took| took.as_secs_f64() * 1e6);
            Ok(Slice {
                requests,
                per_second,
                p50,
                p99,
            })
        })
    }
}

/// What one connection was good for.
struct Asked {
    requests: u32,
    /// How long each answer took that counts.
    took: Vec<Duration>,
}

impl Connection {
    /// Asks until `end`. What is answered between `begin` and `end` counts.
    async fn ask(&mut self, begin: Instant, end: Instant) -> Result<Asked> {
        let (mut requests, mut took) = (0, Vec::new());
        loop {
            let asked = Instant::now();
            self.ask_once().await?;
            requests += 1;
            let answered = Instant::now();
            if answered >= end {
                return Ok(Asked { requests, took });
            }
            if answered >= begin {
                took.push(answered - asked);
            }
        }
    }

    async fn ask_once(&mut self) -> Result<()> {
        let token = self.tokens.get(self.next).context("a token")?.clone();
        self.next = (self.next + 1) % self.tokens.len();
        let request = Request::get(PATH)
            .header(HOST, "photos.example")
            .header(AUTHORIZATION, token)
            .body(Empty::new())?;
        self.send.ready().await?;
        let answer = self.send.send_request(request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        ensure!(status == StatusCode::OK, "answered with {status}");
        Ok(())
    }
}
