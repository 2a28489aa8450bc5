//! A frontend calls a backend for alice, and the backend a store: every service knows who calls and for whom.

use std::{convert::Infallible, fs, future::ready};

use anyhow::{Context as _, Result, ensure};
use cattery_sdk::{
    Client, ConnectOptions, Credentials,
    sign::{CarryForwardLayer, SignLayer, Signer},
    verify::{Forwarded, Verifier, VerifyLayer},
};
use cattery_tests::{
    agent::{Agent, CONFIG, FORWARD_AUTH},
    authority::Authority,
    cli::Cli,
    http::{self, Response},
    town::{Folder, admit},
};
use tokio::sync::mpsc;
use tonic::codegen::http::{HeaderMap, Request, Response as Answer, Uri, header::AUTHORIZATION};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::block_on;

const FORWARD: &str = "x-cat-forward";

/// Everybody, running.
struct Place {
    _authority: Authority,
    admin: Cli,
    alice: Cli,
    mallory: Cli,
    frontend: Service,
    backend: Service,
    store: Service,
    folder: Folder,
}

/// A service: its agent, and what its program signs with.
struct Service {
    name: &'static str,
    agent: Agent,
    client: Option<Client>,
}

impl Place {
    async fn new() -> Result<Self> {
        let folder = Folder::new()?;
        let home = |name| Cli::new(folder.path(), name);
        let (admin, alice, mallory) = (home("admin"), home("alice"), home("mallory"));
        let mut authority = Authority::init(folder.path(), &admin)?;
        authority.start()?;
        let start = |name, from: &str| Service::start(&folder, &admin, name, from);
        let mut frontend = start("frontend", "[]")?;
        let mut backend = start("backend", r#"["service/frontend"]"#)?;
        let store = start("store", r#"["service/backend"]"#)?;
        for (principal, service) in [
            ("service/frontend", "backend"),
            ("service/frontend", "store"),
            ("service/backend", "store"),
        ] {
            admin.ok(&["grant", "add", principal, service], "")?;
        }
        for (home, name) in [(&alice, "alice"), (&mallory, "mallory")] {
            admin.ok(&["user", "add", name], "")?;
            for service in ["frontend", "backend", "store"] {
                admin.ok(&["grant", "add", &format!("user/{name}"), service], "")?;
            }
            let api_key = admin.ok(&["user", "api-key", "create", name], "")?;
            home.ok(&["login"], &api_key)?;
        }
        frontend.connect(&["backend", "store"]).await?;
        backend.connect(&["store"]).await?;
        Ok(Self {
            _authority: authority,
            admin,
            alice,
            mallory,
            frontend,
            backend,
            store,
            folder,
        })
    }

    /// alice's token for a service, for this one to present.
    fn alices(&self, service: &str, through: &str) -> Result<String> {
        self.alice.ok(&["mint", service, "--through", through], "")
    }

    /// What the frontend sends to another service for a user who brings these along.
    async fn frontend_sends(&self, user: &Cli, lines: &[&str], next: &str) -> Result<HeaderMap> {
        let token = user.ok(&["mint", "frontend"], "")?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse()?);
        for line in lines {
            headers.append(FORWARD, line.parse()?);
        }
        self.frontend.sends(headers, next).await
    }

    /// What that service is told then.
    async fn told(&self, user: &Cli, lines: &[&str], next: &Service) -> Result<[String; 3]> {
        let sent = self.frontend_sends(user, lines, next.name).await?;
        next.told(&sent)
    }
}

impl Service {
    fn start(folder: &Folder, admin: &Cli, name: &'static str, from: &str) -> Result<Self> {
        let uid = rustix::process::getuid().as_raw();
        let config = format!("{CONFIG}[mint]\nallow_uids = [{uid}]\n[forward]\nfrom = {from}\n");
        let mut agent = Agent::new(folder.path(), name, &config)?;
        agent.start(Some(&admit(admin, name)?))?;
        Ok(Self {
            name,
            agent,
            client: None,
        })
    }

    async fn connect(&mut self, services: &[&str]) -> Result<()> {
        let socket = self.agent.socket.clone();
        let options = ConnectOptions {
            services: services.iter().map(|&name| name.to_owned()).collect(),
            lease: None,
        };
        self.client = Some(Client::connect(Credentials::Agent { socket }, options).await?);
        Ok(())
    }

    /// The service's program: it verifies what comes in, and calls another service for whoever called. What it sends.
    async fn sends(&self, incoming: HeaderMap, next: &str) -> Result<HeaderMap> {
        let (sent, mut outgoing) = mpsc::unbounded_channel();
        let wire = service_fn(move |request: Request<String>| {
            let _ = sent.send(request.headers().clone());
            ready(Ok::<_, Infallible>(Answer::new(String::new())))
        });
        let signer = Signer::new(self.client.clone().context("a client")?, next);
        let calls = CarryForwardLayer.layer(SignLayer::new(signer).layer(wire));
        let uri = uri_at(next)?;
        let handler = service_fn(move |request: Request<String>| {
            let (calls, mut call) = (calls.clone(), Request::new(String::new()));
            *call.uri_mut() = uri.clone();
            if let Some(forwarded) = request.extensions().get::<Forwarded>() {
                call.extensions_mut().insert(forwarded.clone());
            }
            calls.oneshot(call)
        });
        let verifier = Verifier::through_agent(self.name, &self.agent.socket)?;
        let mut request = Request::new(String::new());
        *request.uri_mut() = uri_at(self.name)?;
        *request.headers_mut() = incoming;
        let answer = VerifyLayer::new(verifier).layer(handler).oneshot(request);
        let answer = answer.await.map_err(|error| anyhow::anyhow!("{error}"))?;
        ensure!(answer.status() == 200, "{} refuses: {answer:?}", self.name);
        outgoing.recv().await.context("nothing was sent")
    }

    /// What a proxy before this service is told of a request.
    fn asked(&self, headers: &HeaderMap) -> Result<Response> {
        let host = format!("{}.test", self.name);
        let of_proxy = [
            ("x-forwarded-method", &b"GET"[..]),
            ("x-forwarded-host", host.as_bytes()),
            ("x-forwarded-uri", b"/items/7"),
        ];
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<_> = headers.chain(of_proxy).collect();
        http::get(self.agent.http()?, FORWARD_AUTH, &headers)
    }

    /// Who calls, for whom, and the verdicts.
    fn told(&self, headers: &HeaderMap) -> Result<[String; 3]> {
        let answer = self.asked(headers)?;
        ensure!(answer.status == 200, "{}: {answer:?}", self.name);
        let header = |name| answer.header(name).map(str::to_owned).context(name);
        Ok([
            header("x-cat-principal")?,
            header("x-cat-forwarded-principal")?,
            header("x-cat-forwarded-verdicts")?,
        ])
    }
}

/// What every request is for: tokens are bound to it where the SDK signs.
fn uri_at(service: &str) -> Result<Uri> {
    Ok(format!("http://{service}.test/items/7").parse()?)
}

#[test]
fn a_frontend_calls_a_backend_for_a_user() -> Result<()> {
    block_on(async {
        let place = Place::new().await?;
        let (backend, store) = (&place.backend, &place.store);

        let for_backend = place.alices("backend", "service/frontend")?;
        let told = place.told(&place.alice, &[&for_backend], backend).await?;
        ensure!(told == ["service/frontend", "user/alice", "ok"], "{told:?}");
        // The frontend's token alone names nobody else.
        let told = place.told(&place.alice, &[], backend).await?;
        ensure!(told == ["service/frontend", "", ""], "{told:?}");

        // One more hop, for which alice signs as well.
        let for_store = place.alices("store", "service/backend")?;
        let both = [&for_backend[..], &for_store];
        let sent = place.frontend_sends(&place.alice, &both, "backend").await?;
        let told = backend.told(&sent)?;
        ensure!(told[1..] == ["user/alice", "ok,wrong_service"], "{told:?}");
        let told = store.told(&backend.sends(sent, "store").await?)?;
        let expected = ["service/backend", "user/alice", "wrong_service,ok"];
        ensure!(told == expected, "{told:?}");

        // One among bad ones; what is malformed is told.
        let torn = &for_backend[..for_backend.len() - 9];
        let lines = ["cat1_", &format!("{torn},{for_backend}"), "junk"];
        let told = place.told(&place.alice, &lines, backend).await?;
        let expected = "malformed,malformed,ok,malformed";
        ensure!(told[1..] == ["user/alice", expected], "{told:?}");

        by_hand(&place, &both).await?;
        passed_on(&place, &for_backend).await?;
        place.admin.ok(&["revoke", "--wait"], &for_backend)?;
        let told = place.told(&place.alice, &[&for_backend], backend).await?;
        ensure!(told == ["service/frontend", "", "revoked"], "{told:?}");
        in_logs(&place, &for_backend)
    })
}

/// What somebody sees who tries it out.
async fn by_hand(place: &Place, lines: &[&str]) -> Result<()> {
    let sent = place.frontend_sends(&place.alice, &[], "backend").await?;
    let token = sent[AUTHORIZATION].to_str()?.trim_start_matches("Bearer ");
    let request = ["--method", "GET", "--authority", "backend.test"];
    let file = place.folder.path().join("forwarded");
    fs::write(&file, lines[0])?;
    let socket = place.backend.agent.socket.display().to_string();
    let path = file.display().to_string();
    let verify = ["verify", "--socket", &socket, "--forward", &path];
    let verify = [&verify[..], &request, &["--path", "/items/7"]].concat();
    let shown = place.alice.ok(&verify, token)?;
    let (caller, user) = shown.split_once("\nfor ").context("for whom")?;
    ensure!(caller.starts_with("service/frontend\n"), "{shown}");
    ensure!(user.starts_with("user/alice\n"), "{shown}");

    fs::write(&file, lines.join("\n"))?;
    let json = [&["--output", "json"], &verify[..]].concat();
    let refused = place.alice.run(&json, token)?;
    ensure!(refused.code == 1, "{}", refused.err);
    let shown: serde_json::Value = serde_json::from_str(&refused.out)?;
    ensure!(shown["principal"] == "service/frontend", "{shown}");
    ensure!(
        shown["forwarded"][0]["principal"] == "user/alice",
        "{shown}"
    );
    ensure!(shown["forwarded"][1]["code"] == "wrong_service", "{shown}");
    Ok(())
}

/// Nobody but the presenter, and nobody for anyone but the caller, gets anything with a forwarded token.
async fn passed_on(place: &Place, for_backend: &str) -> Result<()> {
    let (backend, store) = (&place.backend, &place.store);
    // As its bearer's own.
    let mut stolen = HeaderMap::new();
    stolen.insert(AUTHORIZATION, format!("Bearer {for_backend}").parse()?);
    let answer = backend.asked(&stolen)?;
    let is_refused = answer.status == 403 && answer.body == "caveat_failed\n";
    ensure!(is_refused, "{answer:?}");
    // Beside a user's own token: no agent takes any from users.
    let own = place.mallory.ok(&["mint", "backend"], "")?;
    stolen.insert(AUTHORIZATION, format!("Bearer {own}").parse()?);
    stolen.insert(FORWARD, for_backend.parse()?);
    let told = backend.told(&stolen)?;
    let expected = ["user/mallory", "", "presenter_not_trusted"];
    ensure!(told == expected, "{told:?}");
    // Through the frontend, by somebody who found it.
    let told = place.told(&place.mallory, &[for_backend], backend).await?;
    ensure!(told == ["service/frontend", "", "malformed"], "{told:?}");

    // The store takes tokens from the backend, and none from the frontend.
    let for_store = place.alices("store", "service/frontend")?;
    let told = place.told(&place.alice, &[&for_store], store).await?;
    ensure!(told[1..] == ["", "presenter_not_trusted"], "{told:?}");
    // What alice signed for the frontend is of no use to the backend.
    let both = [for_backend, &for_store];
    let sent = place.frontend_sends(&place.alice, &both, "backend").await?;
    let told = store.told(&backend.sends(sent, "store").await?)?;
    ensure!(told[1..] == ["", "wrong_service,caveat_failed"], "{told:?}");
    Ok(())
}

/// Refusals name the presenter, and no log has a token.
fn in_logs(place: &Place, token: &str) -> Result<()> {
    let mut logs = String::new();
    for entry in fs::read_dir(place.folder.path().join("logs"))? {
        logs += &fs::read_to_string(entry?.path())?;
    }
    ensure!(logs.contains("presenter"), "no refusal names a presenter");
    let (head, tag) = (&token[..8], &token[token.len() - 20..]); // all tokens begin alike
    let has_token = logs.contains(head) || logs.contains(tag);
    ensure!(!has_token, "a token is in a log");
    Ok(())
}
