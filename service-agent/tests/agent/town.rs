//! An authority, an agent of `photos` and the keys of `alice`: what every story begins with.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cattery_agent::{App, Config, HeaderFacts, Running};
use cattery_core::{Caveat, KeyId, TokenSpec, UserKey};
use cattery_proto::v1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Endpoint};
use v1::agent_client::AgentClient;
use v1::verify_response::Result as Outcome;

use crate::authority::{Authority, Beat, SERVICE, root, until};

pub(crate) struct Town {
    pub(crate) authority: Authority,
    pub(crate) agent: Option<Running>,
    pub(crate) config: Config,
    folder: tempfile::TempDir,
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// What forward-auth says.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.text.lines().take_while(|line| !line.is_empty());
        headers
            .filter_map(|line| line.split_once(':'))
            .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value.trim()))
    }

    pub(crate) fn body(&self) -> &str {
        self.text
            .split_once("\r\n\r\n")
            .map_or("", |(_, body)| body)
    }
}

impl Town {
    /// Everything runs, and the agent is ready.
    pub(crate) async fn new(change: impl FnOnce(&mut Config, &Path)) -> Self {
        let mut town = Self::empty(change).await;
        let token = town.authority.join_token();
        town.start(Some(&token)).await.unwrap();
        town.wait_ready().await;
        town
    }

    /// The authority alone runs.
    pub(crate) async fn empty(change: impl FnOnce(&mut Config, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new(&folder.path().join("agent"));
        config.header_facts = HeaderFacts::XForwarded;
        change(&mut config, folder.path());
        Self {
            authority: Authority::start().await,
            agent: None,
            config,
            folder,
        }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn start(&mut self, join_token: Option<&str>) -> Result<(), String> {
        let started = App::start(self.config.clone(), join_token).await;
        self.agent = Some(started.map_err(|error| error.to_string())?);
        Ok(())
    }

    pub(crate) async fn stop(&mut self) {
        self.agent.take().unwrap().shutdown().await;
    }

    pub(crate) async fn wait_ready(&self) {
        let agent = self.agent.as_ref().unwrap();
        until("the agent is ready", || async { agent.is_ready() }).await;
    }

    /// Waits for the beat that says that the agent holds this.
    pub(crate) async fn acknowledges(&self, sequence: u64) -> Beat {
        let mut found = None;
        until("it is acknowledged", async || {
            let beats = &self.authority.script().beats;
            let mut beats = beats.iter();
            found = beats.find(|beat| beat.holds() == Some(sequence)).cloned();
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// To the agent's socket, with more patience than an application has.
    pub(crate) fn channel(&self) -> Channel {
        let socket = self.agent.as_ref().unwrap().socket().to_owned();
        let connect = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        Endpoint::from_static("http://agent")
            .timeout(Duration::from_secs(60))
            .connect_with_connector_lazy(connect)
    }

    pub(crate) fn client(&self) -> AgentClient<Channel> {
        AgentClient::new(self.channel())
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.agent.as_ref().unwrap().http_addr()
    }

    pub(crate) async fn status(&self) -> v1::GetStatusResponse {
        let status = self.client().get_status(v1::GetStatusRequest {}).await;
        status.unwrap().into_inner()
    }

    /// `Ok` is the caller, `Err` the code.
    pub(crate) async fn verify(&self, token: &str) -> Result<v1::VerifiedCaller, String> {
        verify(self.client(), token).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.addr(), "GET", path, headers).await
    }

    pub(crate) async fn auth(&self, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.get("/auth", &[("authorization", &bearer)]).await
    }
}

pub(crate) async fn verify(
    mut client: AgentClient<Channel>,
    token: &str,
) -> Result<v1::VerifiedCaller, String> {
    let request = v1::VerifyRequest {
        presentation: token.to_owned(),
        facts: None,
        ..Default::default()
    };
    let answer = client.verify(request).await.unwrap().into_inner();
    match answer.result.unwrap() {
        Outcome::Caller(caller) => Ok(caller),
        Outcome::Denial(denial) => Err(denial.code),
        Outcome::Invalid(why) => Err(why),
    }
}

pub(crate) async fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, text }
}

/// A token of `principal`, signed with a key of this epoch.
pub(crate) fn mint_as(principal: &str, epoch: u32, caveats: &[&str]) -> String {
    mint_at(now(), principal, epoch, caveats)
}

/// The same by another clock.
pub(crate) fn mint_at(now: u64, principal: &str, epoch: u32, caveats: &[&str]) -> String {
    let service_key = root(epoch).service_key(&SERVICE.parse().unwrap(), 0);
    let id = KeyId {
        epoch,
        service: SERVICE,
        generation: 0,
        principal,
        version: 0,
        expires_at: now + 3_600,
        lease_id: [5; 8],
    };
    let key = UserKey::issue(&service_key, &id, &[]).unwrap();
    let caveats: Vec<Caveat<'_>> = caveats.iter().map(|text| text.parse().unwrap()).collect();
    let spec = TokenSpec {
        not_before: now,
        not_after: now + 60,
        token_id: [6; 16],
        claims_type: "shop.Cart",
        claims: b"\x08\x01",
        caveats: &caveats,
    };
    let mut token = String::new();
    key.mint(&spec, &mut token).unwrap();
    token
}

pub(crate) fn mint(epoch: u32) -> String {
    mint_as("user/alice", epoch, &[])
}
