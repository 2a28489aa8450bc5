//! What passes, what does not, and what nobody can smuggle past.

use anyhow::{Context as _, Result, ensure};
use cattery_core::Caveat;
use cattery_tests::{envoy, http, upstream::BODY, wait};

use super::{Place, is, mint};

#[test]
fn the_service_learns_who_is_calling_and_a_client_cannot_say_so() -> Result<()> {
    let place = Place::new(&[])?;
    let key = place.town.key()?;
    let token = mint(&key, &[])?;

    let forged: [(&str, &[u8]); 7] = [
        ("x-cat-principal", b"user/root"),
        ("X-Cat-Principal", b"user/root"),
        ("x-cat-scopes", b"everything"),
        ("x-cat-claims", b"e30"),
        ("x-cat-decision-id", b"0000000000000000"),
        ("x-cat-anything-else", b"1"),
        ("x-cat-forwarded-principal", b"user/root"),
    ];
    is(&place.get("/albums/7?size=l", &token, &forged)?, 200, BODY)?;
    let seen = place.upstream.one()?;
    ensure!(seen.target == "/albums/7?size=l");
    ensure!(seen.all("x-cat-principal") == ["user/alice"], "{seen:?}");
    for gone in [
        "authorization",
        "x-cat-scopes",
        "x-cat-claims",
        "x-cat-anything-else",
        "x-cat-forwarded-principal",
    ] {
        ensure!(seen.all(gone).is_empty(), "{gone}: {seen:?}");
    }
    let decision = seen.all("x-cat-decision-id");
    ensure!(decision.len() == 1 && decision[0] != "0000000000000000");
    let line = place.envoy.logged(&[&decision[0]])?;
    ensure!(
        line["principal"] == "user/alice" && line["verdict"] == "ok",
        "{line}"
    );
    ensure!(line["path"] == "/albums/7", "{line}");

    // Refused: the same id for the client, in Envoy's log and in the agent's.
    for (token, status, code, challenge) in [
        ("", 401, "no_token", "Bearer realm=\"photos\""),
        (
            "cat1_AAAA",
            401,
            "malformed",
            "Bearer realm=\"photos\", error=\"invalid_token\", error_description=\"malformed\"",
        ),
        (
            &mint(&key, &[Caveat::PathPrefix("/albums".into())])?,
            403,
            "caveat_failed",
            "Bearer realm=\"photos\", error=\"insufficient_scope\", error_description=\"caveat_failed\"",
        ),
    ] {
        let answer = place.get("/private", token, &[])?;
        is(&answer, status, &format!("{code}\n"))?;
        ensure!(
            answer.header("www-authenticate") == Some(challenge),
            "{answer:?}"
        );
        let decision = answer.header("x-cat-decision-id").context("an id")?;
        let line = place.envoy.logged(&[decision])?;
        ensure!(line["verdict"] == code, "{line}");
        let agent = place.town.agent.process.as_ref().context("it runs")?;
        wait::until("the decision is in the agent's log", || {
            let found = agent
                .err()
                .lines()
                .any(|line| line.contains(decision) && line.contains(code));
            Ok(found.then_some(()))
        })?;
    }

    // A token on two lines, or in a header of another spelling, is none.
    let bearer = format!("Bearer {token}");
    let twice = [("authorization", bearer.as_bytes())];
    is(&place.get("/", &token, &twice)?, 401, "malformed\n")?;
    for (name, path) in [
        ("x_cat_principal", "/"),
        ("x-fine", "/a%2fb"),
        ("x-fine", "/a%5Cb"),
    ] {
        let answer = place.get(path, &token, &[(name, b"user/root")])?;
        ensure!(answer.status == 400, "{name} {path}: {answer:?}");
    }
    ensure!(place.upstream.count() == 0, "{:?}", place.upstream.take());

    // What is checked is what the service gets.
    let narrowed = mint(&key, &[Caveat::PathPrefix("/albums".into())])?;
    for path in [
        "/albums/../private",
        "/albums/%2e%2e/private",
        "/albums/./../private",
        "//private",
    ] {
        is(&place.get(path, &narrowed, &[])?, 403, "caveat_failed\n")?;
    }
    is(
        &place.get("/private/../albums//7", &narrowed, &[])?,
        200,
        BODY,
    )?;
    ensure!(place.upstream.one()?.target == "/albums/7");

    // Nobody has to prove anything on a route that says so; and there is no way from it to others.
    is(&place.get("/healthz", "", &[])?, 200, BODY)?;
    ensure!(place.upstream.one()?.target == "/healthz");
    is(
        &place.get("/healthz/../private", "", &[])?,
        401,
        "no_token\n",
    )?;
    is(&place.get("/healthz/", "", &[])?, 401, "no_token\n")
}

#[test]
fn over_tcp_it_is_the_same() -> Result<()> {
    let mut place = Place::new(&[])?;
    let addr = std::fs::read_to_string(place.town.agent.dir.join("ext_authz.addr"))?;
    let tcp = envoy::tcp(addr.trim().parse()?);
    place.envoy = envoy::Envoy::start(place.town.folder(), &tcp, place.upstream.addr, &[])?;
    let token = mint(&place.town.key()?, &[])?;
    is(&place.get("/", &token, &[])?, 200, BODY)?;
    is(&place.get("/", "", &[])?, 401, "no_token\n")?;
    // There is nothing else at that address.
    let answer = http::get(addr.trim().parse()?, "/auth", &[]);
    ensure!(answer.map_or(true, |answer| answer.status >= 400));
    Ok(())
}
