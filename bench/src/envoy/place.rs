//! Everything that runs: a cluster with its agent, the service, the bare echo, and an Envoy for each way.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use cattery_core::{TokenSpec, UserKey};
use cattery_proto::envoy::{
    config::core::v3::{HeaderMap, HeaderValue},
    service::auth::v3::{
        AttributeContext, CheckRequest, CheckResponse,
        attribute_context::{self, HttpRequest},
        authorization_client::AuthorizationClient,
        check_response::HttpResponse,
    },
};
use cattery_report::process::processor_seconds;
use cattery_tests::{
    envoy::{self, Envoy},
    http,
    process::Process,
    town::{self, Setting, Town},
    wait,
};
use prost::Message as _;
use tokio::runtime::Runtime;
use tonic::transport::Endpoint;

use super::{
    PATH, SERVICE, USER,
    jwt::Signer,
    upstream,
    way::{Way, jwt_filter, shipped_filter},
};
use crate::{role, tokens::spoiled};

/// As it is shipped, but for where it listens.
const AGENT: &str = "http = \"127.0.0.1:0\"\n";
/// Different tokens of each way, which are shown in turns.
pub(super) const TOKENS: usize = 512;
/// Longer than anything is measured, and shorter than an agent allows, seconds.
const LIFETIME: u64 = 1_800;

/// Who has to do with a request.
pub(super) const PARTIES: [&str; 4] = ["client", "Envoy", "who Envoy asks", "service"];

/// A way, running.
pub(super) struct Setup {
    pub(super) way: Way,
    pub(super) envoy: Envoy,
    pub(super) tokens: Vec<String>,
    /// The process that Envoy asks, if it asks one.
    asked: Option<u32>,
}

/// All of it; it ends when this goes.
pub(super) struct Place {
    pub(super) setups: Vec<Setup>,
    service: Process,
    _echo: Process,
    _town: Town,
}

impl Place {
    /// Starts it, and looks at whether each way does what it is there for.
    pub(super) fn start(runtime: &Runtime) -> Result<Self> {
        let town = Town::with(&Setting {
            agent: AGENT.to_owned(),
            ..Setting::default()
        })?;
        let key = town.key()?;
        let (es256, rs256) = (Signer::es256()?, Signer::rs256()?);
        let mut service = role::start(&["upstream"], &town.logs())?;
        let upstream = role::address(&mut service)?;
        let echo = town.folder().join("echo.sock");
        let answer = town.folder().join("answer");
        let agent = &town.agent.socket;
        let asked = runtime.block_on(ask(agent, &cattery(&key, &spec()?)?))?;
        fs::write(&answer, asked.encode_to_vec())?;
        let arguments = [
            "ext-authz-echo",
            echo.to_str().context("a path in UTF-8")?,
            answer.to_str().context("a path in UTF-8")?,
        ];
        let echoing = role::start(&arguments, &town.logs())?;
        let shipped = shipped_filter()?;
        let setup = |(index, way): (usize, Way)| -> Result<Setup> {
            let folder = town.folder().join(format!("envoy-{index}"));
            fs::create_dir(&folder)?;
            let filter = match way {
                Way::Open => String::new(),
                Way::Es256 => jwt_filter(&es256.jwks()?),
                Way::Rs256 => jwt_filter(&rs256.jwks()?),
                Way::Echo | Way::Agent => shipped.clone(),
            };
            let socket = if way == Way::Echo { &echo } else { agent };
            let pipe = envoy::pipe(socket);
            let changes = [(&shipped[..], &filter[..])];
            let mint = |spec: &TokenSpec<'_>| match way {
                Way::Es256 => es256.mint(USER, SERVICE, spec),
                Way::Rs256 => rs256.mint(USER, SERVICE, spec),
                Way::Open | Way::Echo | Way::Agent => cattery(&key, spec),
            };
            let running = town.agent.process.as_ref();
            let asked = match way {
                Way::Echo => Some(echoing.id()),
                Way::Agent => Some(running.context("the agent runs")?.id()),
                Way::Open | Way::Es256 | Way::Rs256 => None,
            };
            let tokens = (0..TOKENS).map(|_| mint(&spec()?)).collect::<Result<_>>()?;
            let setup = Setup {
                way,
                envoy: Envoy::start(&folder, &pipe, upstream, &changes)?,
                tokens,
                asked,
            };
            setup.check().context(way.name())?;
            Ok(setup)
        };
        let setups = (0..).zip(Way::ALL).map(setup).collect::<Result<_>>()?;
        Ok(Self {
            setups,
            service,
            _echo: echoing,
            _town: town,
        })
    }

    /// Seconds that each of the [`PARTIES`] has spent on processors.
    pub(super) fn processors(&self, setup: &Setup) -> Result<[f64; PARTIES.len()]> {
        Ok([
            processor_seconds(std::process::id())?,
            processor_seconds(setup.envoy.process.id())?,
            setup.asked.map_or(Ok(0.0), processor_seconds)?,
            processor_seconds(self.service.id())?,
        ])
    }
}

impl Setup {
    fn get(&self, path: &str, token: &str) -> Result<http::Response> {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("host", &b"photos.example"[..]),
            ("authorization", bearer.as_bytes()),
        ];
        http::get(self.envoy.addr, path, &headers)
    }

    /// Good tokens pass, the service learns who is calling, and bad ones are refused: where there is somebody who does that.
    fn check(&self) -> Result<()> {
        let token = self.tokens.first().context("a token")?;
        // Envoy begins with the opinion that nobody is there to be asked.
        let good = wait::until("a token passes", || {
            Ok(Some(self.get(PATH, token)?).filter(|answer| answer.status != 503))
        })?;
        ensure!(
            good.status == 200 && good.body.as_bytes() == upstream::BODY,
            "a good token is answered with {good:?}"
        );
        let who = self.get(upstream::WHO, token)?;
        let expected = if self.way.tells() { USER } else { "" };
        ensure!(who.body == expected, "the caller is not told: {who:?}");
        let expected = if self.way.refuses() { 401 } else { 200 };
        for bad in [spoiled(token)?, String::new()] {
            let answer = self.get(PATH, &bad)?;
            ensure!(
                answer.status == expected,
                "a bad token is answered with {answer:?}"
            );
        }
        Ok(())
    }
}

/// What the agent answers Envoy.
async fn ask(socket: &Path, token: &str) -> Result<CheckResponse> {
    let socket = socket.to_str().context("a path in UTF-8")?;
    let channel = Endpoint::from_shared(format!("unix://{socket}"))?.connect_lazy();
    let header = HeaderValue {
        key: "authorization".to_owned(),
        raw_value: format!("Bearer {token}").into(),
        ..HeaderValue::default()
    };
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: PATH.to_owned(),
        header_map: Some(HeaderMap {
            headers: vec![header],
        }),
        ..HttpRequest::default()
    };
    let request = attribute_context::Request { http: Some(http) };
    let question = CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(request),
            ..AttributeContext::default()
        }),
    };
    let answer = AuthorizationClient::new(channel).check(question).await?;
    let answer = answer.into_inner();
    let passes = matches!(answer.http_response, Some(HttpResponse::OkResponse(_)));
    ensure!(passes, "the agent does not let a good token pass");
    Ok(answer)
}

fn cattery(key: &UserKey, spec: &TokenSpec<'_>) -> Result<String> {
    let mut token = String::new();
    key.mint(spec, &mut token)?;
    Ok(token)
}

fn spec() -> Result<TokenSpec<'static>> {
    let now = town::now()?;
    Ok(TokenSpec {
        not_before: now,
        not_after: now + LIFETIME,
        token_id: rand::random(),
        ..TokenSpec::default()
    })
}
