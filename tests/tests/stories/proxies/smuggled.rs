//! Headers by which a client would speak as the proxy or the agent, in every spelling.

use anyhow::{Result, ensure};
use cattery_core::{Caveat, request_digest};
use cattery_tests::proxy::Kind;

use super::{HOST, Place, mint};

/// What the agent and services believe of a proxy, or of each other.
const FORGED: [(&str, &str); 15] = [
    ("x-forwarded-method", "evil-1"),
    ("x-forwarded-uri", "/evil-2"),
    ("x-forwarded-host", "evil-3"),
    ("x-forwarded-for", "evil-4"),
    ("x-forwarded-proto", "evil-5"),
    ("x-original-method", "evil-6"),
    ("x-original-uri", "/evil-7"),
    ("x-original-url", "/evil-8"),
    ("x-original-host", "evil-9"),
    ("x-rewrite-url", "/evil-10"),
    ("x-http-method-override", "evil-11"),
    ("x-http-method", "evil-12"),
    ("x-method-override", "evil-13"),
    ("forwarded", "for=evil-14"),
    ("x-cat-decision-id", "evil-15"),
];

pub(super) fn nothing_gets_past(place: &Place) -> Result<()> {
    let token = mint(&place.key, &[])?;
    // Whatever the agent tells services.
    let told = place.town.agent.forward_auth(&token)?;
    let told = told.headers.iter().map(|(name, _)| name.as_str());
    let told: Vec<_> = told.filter(|name| name.starts_with("x-cat-")).collect();
    ensure!(told.len() >= 11, "{told:?}");
    let mut forged: Vec<_> = FORGED.to_vec();
    forged.extend(told.iter().map(|name| (*name, "evil-16")));
    if place.kind == Kind::Haproxy {
        // It takes away whatever begins so; the others know names alone.
        forged.push(("x-cat-anything", "evil-17"));
    }

    for spelled in [
        |name: &str| vec![name.to_owned()],
        |name: &str| vec![name.to_owned(), name.to_owned()],
        |name: &str| vec![name.to_uppercase(), title(name)],
        |name: &str| vec![name.replace('-', "_")],
        |name: &str| vec![name.replacen('-', "_", 1), name.to_owned()],
        |name: &str| vec![title(name).replace('-', "_")],
        |name: &str| vec![replace_last(name)],
    ] {
        let mut headers = Vec::new();
        for (name, value) in &forged {
            for name in spelled(name) {
                headers.push((name, value.as_bytes()));
            }
        }
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        // In two requests: a server takes a hundred headers.
        for part in headers.chunks(26) {
            let bound = Caveat::Request {
                digest: request_digest("GET", HOST, "/albums/7", None),
                body: false,
            };
            let bound = mint(&place.key, &[bound])?;
            let answer = place.send("GET", "/albums/7", &bound, part)?;
            ensure!(answer.status == 200, "{part:?}: {answer:?}");
            let seen = place.upstream.one()?;
            for (name, value) in &seen.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                ensure!(!value.contains("evil"), "{name}: {value} got past {part:?}");
            }
            ensure!(seen.all("x-cat-principal") == ["user/alice"], "{seen:?}");
            place.refuses(&place.send("GET", "/albums/8", &bound, part)?, 403)?;
            place.refuses(&place.send("GET", "/albums/8", "", part)?, 401)?;
        }
    }
    nothing_goes_missing(place, &token)?;
    questions_are_not_for_clients(place, &token)
}

/// Proxies remove the headers that a client lists in Connection.
fn nothing_goes_missing(place: &Place, token: &str) -> Result<()> {
    for listed in [
        "close, x-cat-principal, x-cat-decision-id",
        "x-forwarded-for, x-forwarded-uri, x-forwarded-method, x-forwarded-host",
        "upgrade, x-cat-principal",
    ] {
        let answer = place.send("GET", "/", token, &[("connection", listed.as_bytes())])?;
        ensure!(answer.status == 200, "{listed}: {answer:?}");
        let seen = place.upstream.one()?;
        ensure!(seen.all("x-cat-principal") == ["user/alice"], "{seen:?}");
        ensure!(seen.all("x-cat-decision-id").len() == 1, "{seen:?}");
        ensure!(seen.all("x-forwarded-for") == ["127.0.0.1"], "{seen:?}");
    }
    let listed = "x-forwarded-for, x-forwarded-uri";
    let narrowed = mint(&place.key, &[Caveat::PathPrefix("/albums".into())])?;
    let forged = [
        ("connection", listed.as_bytes()),
        ("x-forwarded-uri", b"/albums"),
    ];
    place.refuses(&place.send("GET", "/private", &narrowed, &forged)?, 403)?;
    // A token twice is none, whichever comes first.
    let bearer = format!("Bearer {token}");
    for second in [bearer.as_bytes(), b"Basic YTpi"] {
        let answer = place.send("GET", "/", token, &[("authorization", second)])?;
        ensure!(matches!(answer.status, 400 | 401), "{answer:?}");
        place.refuses(&answer, answer.status)?;
    }
    Ok(())
}

/// The place where nginx asks is not one that a client reaches; elsewhere it is a path as any other.
fn questions_are_not_for_clients(place: &Place, token: &str) -> Result<()> {
    for path in ["/_cattery/auth", "//_cattery/auth", "/_cattery/%61uth"] {
        let answer = place.get(path, "")?;
        ensure!(matches!(answer.status, 401 | 404), "{answer:?}");
        place.refuses(&answer, answer.status)?;
    }
    // A Host is one.
    for host in ["evil.example", HOST] {
        let answer = place.send("GET", "/", token, &[("host", host.as_bytes())])?;
        for seen in place.upstream.take() {
            ensure!(answer.status == 200 && seen.all("host") == [HOST]);
        }
    }
    Ok(())
}

fn title(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

fn replace_last(name: &str) -> String {
    match name.rsplit_once('-') {
        Some((before, last)) => format!("{before}_{last}"),
        None => name.to_owned(),
    }
}
