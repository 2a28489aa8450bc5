//! What passes, what does not, and what the client and the service are told.

use anyhow::{Context as _, Result, ensure};
use cattery_core::{Caveat, request_digest};
use cattery_tests::{
    http::{self, Response},
    proxy::Kind,
    upstream::BODY,
    wait,
};

use super::{HOST, Place, mint};

pub(super) fn the_service_learns_who_calls(place: &Place) -> Result<()> {
    let token = place.town.alice.ok(&["mint", "photos"], "")?;
    let answer = place.get("/albums/7?size=l", &token)?;
    ensure!(answer.status == 200 && answer.body == BODY, "{answer:?}");
    let seen = place.upstream.one()?;
    ensure!(seen.method == "GET" && seen.target == "/albums/7?size=l");
    ensure!(seen.all("host") == [HOST], "{seen:?}");
    ensure!(seen.all("x-cat-principal") == ["user/alice"], "{seen:?}");
    ensure!(seen.all("x-forwarded-for") == ["127.0.0.1"], "{seen:?}");
    ensure!(seen.all("authorization").is_empty(), "{seen:?}");
    let decision = seen.all("x-cat-decision-id");
    ensure!(decision.len() == 1, "{seen:?}");
    is_in_the_log(place, &decision[0], "ok")?;

    // All that the agent tells, whatever that is, but for what it has nothing to say of.
    let told = place.town.agent.forward_auth(&token)?;
    for (name, value) in &told.headers {
        if name.starts_with("x-cat-") && name != "x-cat-decision-id" && !value.is_empty() {
            ensure!(seen.all(name) == [&value[..]], "{name}: {seen:?}");
        }
    }

    // The body is for the service alone.
    let bearer = format!("Bearer {token}");
    let headers = [
        ("host", HOST.as_bytes()),
        ("authorization", bearer.as_bytes()),
        ("content-length", b"3"),
    ];
    let answer = http::send_with(place.proxy.addr, "POST", "/", &headers, b"abc")?;
    ensure!(answer.status == 200, "{answer:?}");
    let seen = place.upstream.one()?;
    ensure!(seen.method == "POST" && seen.body == b"abc"[..], "{seen:?}");

    // A forwarded token reaches the agent, on as many lines as it came, and the service.
    let forward = [
        ("x-cat-forward", &b"one"[..]),
        ("x-cat-forward", b"two"),
        ("x-cat-forwarded-verdicts", b"ok,ok"),
    ];
    let answer = place.send("GET", "/", &token, &forward)?;
    ensure!(answer.status == 200, "{answer:?}");
    let seen = place.upstream.one()?;
    ensure!(
        seen.all("x-cat-forward").join(",").replace(", ", ",") == "one,two",
        "{seen:?}"
    );
    ensure!(
        seen.all("x-cat-forwarded-verdicts") == ["presenter_not_trusted,presenter_not_trusted"],
        "{seen:?}"
    );
    Ok(())
}

pub(super) fn refusals_say_what_the_agent_says(place: &Place) -> Result<()> {
    let narrow = ["token", "attenuate", "--path", "/albums"];
    let narrowed = place
        .town
        .alice
        .ok(&narrow, &mint(&place.key, &[])?)
        .context("narrowed")?;
    let answer = place.get("/albums/7", &narrowed)?;
    ensure!(answer.status == 200, "{answer:?}");
    place.upstream.one()?;
    for (token, status, code, challenge) in [
        ("", 401, "no_token", "Bearer realm=\"photos\""),
        (
            "cat1_AAAA",
            401,
            "malformed",
            "Bearer realm=\"photos\", error=\"invalid_token\", error_description=\"malformed\"",
        ),
        (
            &narrowed,
            403,
            "caveat_failed",
            "Bearer realm=\"photos\", error=\"insufficient_scope\", error_description=\"caveat_failed\"",
        ),
    ] {
        let answer = place.get("/private", token)?;
        place.refuses(&answer, status)?;
        ensure!(
            all(&answer, "www-authenticate") == [challenge],
            "{answer:?}"
        );
        ensure!(all(&answer, "cache-control") == ["no-store"], "{answer:?}");
        let decision = all(&answer, "x-cat-decision-id");
        ensure!(decision.len() == 1, "{answer:?}");
        is_in_the_log(place, decision[0], code)?;
        // nginx's auth_request drops the body.
        let body = format!("{code}\n");
        ensure!(
            place.kind == Kind::Nginx || answer.body == body,
            "{answer:?}"
        );
    }
    place.refuses(&place.send("POST", "/private", "", &[])?, 401)
}

pub(super) fn caveats_hold(place: &Place) -> Result<()> {
    let alice = &place.town.alice;
    let narrowed = |flags: &[&str]| {
        let args: Vec<_> = ["mint", "photos"].iter().chain(flags).copied().collect();
        alice.ok(&args, "")
    };
    let passes = |method, target, token: &str| -> Result<()> {
        let answer = place.send(method, target, token, &[])?;
        ensure!(answer.status == 200, "{method} {target}: {answer:?}");
        place.upstream.one().map(drop)
    };
    let fails =
        |method, target, token: &str| place.refuses(&place.send(method, target, token, &[])?, 403);
    let get = narrowed(&["--method", "GET"])?;
    passes("GET", "/", &get)?;
    fails("DELETE", "/", &get)?;

    let here = narrowed(&["--addr", "127.0.0.0/8"])?;
    passes("GET", "/", &here)?;
    let elsewhere = narrowed(&["--addr", "192.0.2.0/24"])?;
    for name in ["x-forwarded-for", "x-real-ip", "x_forwarded_for"] {
        let forged = [(name, &b"192.0.2.7"[..])];
        place.refuses(&place.send("GET", "/", &elsewhere, &forged)?, 403)?;
    }
    let forged = [
        ("x-forwarded-for", &b"192.0.2.7"[..]),
        ("x-forwarded-for", b"192.0.2.8"),
    ];
    place.refuses(&place.send("GET", "/", &elsewhere, &forged)?, 403)?;

    let request = format!("PUT http://{HOST}/albums/7?size=l");
    let bound = narrowed(&["--request", &request])?;
    passes("PUT", "/albums/7?size=l", &bound)?;
    fails("GET", "/albums/7?size=l", &bound)?;
    fails("PUT", "/albums/8?size=l", &bound)?;
    fails("PUT", "/albums/7?size=xl", &bound)?;
    fails("PUT", "/albums/7", &bound)?;
    // No proxy tells a body.
    let digest = request_digest("GET", HOST, "/", Some(&[1; 32]));
    let body = mint(&place.key, &[Caveat::Request { digest, body: true }])?;
    fails("GET", "/", &body)
}

/// All values of a header of an answer.
pub(super) fn all<'a>(answer: &'a Response, name: &str) -> Vec<&'a str> {
    let headers = answer.headers.iter().filter(|(n, _)| n == name);
    headers.map(|(_, value)| value.as_str()).collect()
}

fn is_in_the_log(place: &Place, decision: &str, word: &str) -> Result<()> {
    wait::until("the decision is in the agent's log", || {
        let has = |line: &str| line.contains(decision) && line.contains(word);
        Ok(place.log()?.lines().any(has).then_some(()))
    })
}
