//! One trace from a client through a proxy to the agent's decision, and from an application to the authority: told to a collector that knows nothing of
//! Cattery.

use anyhow::{Context as _, Result, ensure};
use cattery_sdk::verify::{Verifier, VerifyLayer};
use cattery_tests::{
    agent::FORWARD_AUTH,
    collector::Collector,
    envoy::{self, Envoy},
    http,
    town::{Setting, Town, mint},
    upstream::{BODY, Upstream},
    wait,
};
use tower::{Layer as _, ServiceExt as _};

use crate::{block_on, say};

const SPAN: &str = "00f067aa0ba902b7";

fn traceparent(trace_id: &str, flags: &str) -> String {
    format!("00-{trace_id}-{SPAN}-{flags}")
}

fn trace_id() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

#[test]
fn a_trace_goes_from_the_client_to_the_decision() -> Result<()> {
    let folder = cattery_tests::town::Folder::new()?;
    let collector = Collector::start(folder.path())?;
    let addr = collector.addr;
    let setting = Setting {
        agent: format!(
            "http = \"127.0.0.1:0\"\n[traces]\nendpoint = \"http://{addr}\"\n[log]\nlevel = \"trace\"\n"
        ),
        ..Setting::default()
    };
    let town = Town::with(&setting)?;
    let upstream = Upstream::start()?;
    let pipe = envoy::pipe(&town.agent.socket);
    let envoy = Envoy::start(town.folder(), &pipe, upstream.addr, &[])?;
    let token = mint(&town.key()?)?;
    let bearer = format!("Bearer {token}");
    let ask = |traceparent: &str| {
        let headers = [
            ("authorization", bearer.as_bytes()),
            ("traceparent", traceparent.as_bytes()),
        ];
        http::get(envoy.addr, "/albums/7?code=s3cr3t", &headers)
    };

    let (sampled, unsampled) = (trace_id(), trace_id());
    ensure!(ask(&traceparent(&unsampled, "00"))?.body == BODY);
    ensure!(ask("00-nonsense")?.body == BODY);
    ensure!(ask(&traceparent(&sampled, "01"))?.body == BODY);
    let seen = upstream.take();
    ensure!(
        seen[2].all("traceparent") == [traceparent(&sampled, "01")],
        "{seen:?}"
    );
    let printed = wait::until("the span is at the collector", || {
        let printed = collector.printed();
        Ok(printed.contains(&sampled).then_some(printed))
    })?;
    say(&printed);
    for part in [
        "decide",
        "cattery-agent",
        SPAN,
        "ext_authz",
        "photos",
        "verdict",
    ] {
        ensure!(printed.contains(part), "no {part} in {printed}");
    }
    ensure!(
        !printed.contains(&unsampled) && !printed.contains("nonsense"),
        "{printed}"
    );

    // An application that asks the agent hands on where its request belongs.
    let asked = trace_id();
    let request = hyper::Request::get("http://photos.example/albums/7")
        .header("authorization", &bearer)
        .header("traceparent", traceparent(&asked, "01"))
        .body(())?;
    let socket = town.agent.socket.clone();
    let status = block_on(async move {
        let verifier = Verifier::through_agent("photos", &socket)?;
        let inner = tower::service_fn(async |_: hyper::Request<()>| {
            Ok::<_, std::convert::Infallible>(hyper::Response::new(()))
        });
        let service = VerifyLayer::new(verifier).layer(inner);
        Ok(service.oneshot(request).await?.status())
    })?;
    ensure!(status == 200);
    wait::until("the span of the application's request", || {
        let printed = collector.printed();
        let has_all = [&asked[..], "Str(grpc)"]
            .iter()
            .all(|part| printed.contains(part));
        Ok(has_all.then_some(()))
    })?;

    // Nobody waits for a collector that is away, and one that comes back is told again.
    collector.kill()?;
    let lost = trace_id();
    ensure!(ask(&traceparent(&lost, "01"))?.body == BODY);
    let process = town.agent.process.as_ref().context("it runs")?;
    wait::until("the agent says that spans are lost", || {
        Ok(process
            .err()
            .contains("the collector does not take spans")
            .then_some(()))
    })?;
    let collector = Collector::start_at(folder.path(), addr)?;
    wait::until("spans come again", || {
        let again = trace_id();
        let parent = traceparent(&again, "01");
        let headers = [("traceparent", parent.as_bytes())];
        http::get(town.agent.http()?, FORWARD_AUTH, &headers)?;
        Ok(collector.printed().contains("no_token").then_some(()))
    })?;
    let printed = collector.printed();
    for secret in [&token[..], "s3cr3t", "cat1_", "Bearer", "authorization"] {
        ensure!(!printed.contains(secret), "{secret} in {printed}");
    }
    Ok(())
}

#[test]
fn the_authority_tells_of_its_calls() -> Result<()> {
    let mut town = Town::new()?;
    let collector = Collector::start(town.folder())?;
    town.authority.kill()?;
    town.authority.edit(|text| {
        format!(
            "{text}\n[traces]\nendpoint = \"http://{}\"\nsample_ratio = 1.0\n",
            collector.addr
        )
    })?;
    town.authority.start()?;
    town.alice.ok(&["login"], &town.api_key)?;
    let refused = town.alice.run(&["service", "list"], "")?;
    ensure!(refused.code != 0);
    let printed = wait::until("the span is at the collector", || {
        let printed = collector.printed();
        Ok(printed.contains("IssueUserKeys").then_some(printed))
    })?;
    for part in [
        "cattery.v1.UserKeys/IssueUserKeys",
        "cattery-authority",
        "request_id",
    ] {
        ensure!(printed.contains(part), "no {part} in {printed}");
    }
    for secret in ["catapi1_", "Bearer", &town.api_key] {
        ensure!(!printed.contains(secret), "{secret} in {printed}");
    }
    Ok(())
}
