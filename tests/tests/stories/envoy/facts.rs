//! Conditions on the request: what Envoy knows of it, the agent checks.

use anyhow::{Result, ensure};
use cattery_core::{Caveat, request_digest};
use cattery_tests::{http, upstream::BODY};
use sha2::{Digest as _, Sha256};

use super::{Place, is, mint};

fn bound(method: &str, path: &str, body: Option<&[u8]>) -> Caveat<'static> {
    let body = body.map(|body| <[u8; 32]>::from(Sha256::digest(body)));
    Caveat::Request {
        digest: request_digest(method, "photos.example", path, body.as_ref()),
        body: body.is_some(),
    }
}

#[test]
fn tokens_are_good_for_their_request_alone() -> Result<()> {
    let place = Place::new(&[])?;
    let key = place.town.key()?;

    // Method, authority, path and query.
    let token = mint(&key, &[bound("GET", "/albums/7?size=l", None)])?;
    is(&place.get("/albums/7?size=l", &token, &[])?, 200, BODY)?;
    for (method, path) in [("GET", "/albums/7?size=xl"), ("DELETE", "/albums/7?size=l")] {
        let answer = place.send(method, path, &token, &[], b"")?;
        is(&answer, 403, "caveat_failed\n")?;
    }
    let forged: [(&str, &[u8]); 3] = [
        ("x-forwarded-uri", b"/albums/7?size=l"),
        ("x-original-url", b"/albums/7?size=l"),
        ("x-envoy-original-path", b"/albums/7?size=l"),
    ];
    is(
        &place.get("/other", &token, &forged)?,
        403,
        "caveat_failed\n",
    )?;

    // The body, where the route sends it.
    let body = b"{\"title\":\"spring\"}";
    let token = mint(&key, &[bound("POST", "/upload/1", Some(body))])?;
    is(
        &place.send("POST", "/upload/1", &token, &[], body)?,
        200,
        BODY,
    )?;
    is(
        &place.send("POST", "/upload/1", &token, &[], b"{\"title\":\"autumn\"}")?,
        403,
        "caveat_failed\n",
    )?;
    is(
        &place.send("POST", "/upload/1", &token, &[], b"")?,
        403,
        "caveat_failed\n",
    )?;
    let chunked = http::send_with(
        place.envoy.addr,
        "POST",
        "/upload/1",
        &[
            ("host", b"photos.example"),
            ("authorization", format!("Bearer {token}").as_bytes()),
            ("transfer-encoding", b"chunked"),
            ("x-envoy-auth-partial-body", b"true"),
        ],
        b"5\r\n{\"tit\r\nd\r\nle\":\"spring\"}\r\n0\r\n\r\n",
    )?;
    is(&chunked, 200, BODY)?;
    let empty = mint(&key, &[bound("POST", "/upload/1", Some(b""))])?;
    is(
        &place.send("POST", "/upload/1", &empty, &[], b"")?,
        200,
        BODY,
    )?;
    is(
        &place.send("POST", "/upload/1", &empty, &[], body)?,
        403,
        "caveat_failed\n",
    )?;
    // Where it does not, no body is known, not even an empty one.
    let token = mint(&key, &[bound("POST", "/albums", Some(body))])?;
    is(
        &place.send("POST", "/albums", &token, &[], body)?,
        403,
        "caveat_failed\n",
    )?;
    let empty = mint(&key, &[bound("POST", "/albums", Some(b""))])?;
    is(
        &place.send("POST", "/albums", &empty, &[], b"")?,
        403,
        "caveat_failed\n",
    )?;
    is(
        &place.send("POST", "/albums", &empty, &[], body)?,
        403,
        "caveat_failed\n",
    )?;
    let seen = place.upstream.take();
    let bodies: Vec<_> = seen.iter().map(|seen| &seen.body[..]).collect();
    ensure!(bodies == [&b""[..], body, body, b""], "{seen:?}");
    // What Envoy would have to hold is too much: it says so as soon as it has heard that.
    let big = vec![b'x'; (1 << 20) + 1];
    let bearer = format!("Bearer {empty}");
    let headers = [
        ("host", &b"photos.example"[..]),
        ("authorization", bearer.as_bytes()),
        ("content-length", b"9999999"),
    ];
    let answer = http::send_with(place.envoy.addr, "POST", "/upload/1", &headers, &big)?;
    ensure!(answer.status == 413, "{answer:?}");

    // The client's address, which it cannot choose.
    let here = mint(&key, &["addr=127.0.0.0/8".parse()?])?;
    is(
        &place.get("/", &here, &[("x-forwarded-for", b"203.0.113.9")])?,
        200,
        BODY,
    )?;
    let there = mint(&key, &["addr=203.0.113.0/24".parse()?])?;
    is(
        &place.get("/", &there, &[("x-forwarded-for", b"203.0.113.9")])?,
        403,
        "caveat_failed\n",
    )?;

    // A route's scope. Where a route names none, no token that is narrowed to scopes passes.
    let reads = mint(&key, &["scope=read".parse()?])?;
    is(&place.get("/albums", &reads, &[])?, 403, "caveat_failed\n")?;
    is(&place.get("/admin/", &reads, &[])?, 403, "caveat_failed\n")?;
    let both = mint(&key, &["scope=read,admin".parse()?])?;
    place.upstream.take();
    is(&place.get("/admin/", &both, &[])?, 200, BODY)?;
    let seen = place.upstream.one()?;
    let scopes = seen.all("x-cat-scopes");
    ensure!(
        scopes == ["read admin"] || scopes == ["admin read"],
        "{scopes:?}"
    );
    Ok(())
}
