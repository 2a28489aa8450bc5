//! Targets that servers read in more than one way.

use anyhow::{Result, ensure};
use cattery_core::{Caveat, request_digest};

use super::{HOST, Place, mint};

/// A target, and whether it lies under `/albums` for everybody who reads it.
const TARGETS: [(&str, bool); 31] = [
    ("/albums", true),
    ("/albums/7?size=l", true),
    ("/albums/7?", true),
    ("/albums/7?x=/../private", true),
    ("/albums/7?a?b", true),
    ("/albums/a%20b", true),
    ("/albums/%C3%A9", true),
    ("/Albums/7", false),
    ("/albumsx", false),
    ("/albums//7", true),
    ("//albums/7", false),
    ("//evil.example/albums", false),
    ("/./albums/7", false),
    ("/albums/../private", false),
    ("/albums/./../private", false),
    ("/albums/7/../../private", false),
    ("/private/../albums/7", false),
    ("/albums/%2e%2e/private", false),
    ("/albums/.%2E/private", false),
    ("/albums/..%2fprivate", false),
    ("/albums/%2e%2e%2fprivate", false),
    ("/albums/..%5cprivate", false),
    ("/albums/..\\private", false),
    ("/albums/..;/private", false),
    ("/albums/%252e%252e/private", false),
    ("/albums%2f7", false),
    ("/%61lbums/7", false),
    ("/albums/%", false),
    ("/albums/%zz", false),
    ("/albums/7%00", false),
    ("/albums/\u{e9}", false),
];

/// Those that are not a path.
const OTHER_FORMS: [&str; 9] = [
    "http://photos.example/albums/7",
    "HTTP://photos.example/albums/7",
    "http://evil.example/albums/7",
    "http://photos.example@evil.example/albums/7",
    "https://photos.example/albums/../private",
    "http://photos.example",
    "albums/7",
    "?/albums/7",
    "*",
];

pub(super) fn what_is_checked_is_what_the_service_gets(place: &Place) -> Result<()> {
    let narrowed = mint(&place.key, &[Caveat::PathPrefix("/albums".into())])?;
    for (target, lies_under) in TARGETS {
        let answer = place.get(target, &narrowed)?;
        if lies_under {
            ensure!(answer.status == 200, "{target}: {answer:?}");
            ensure!(place.upstream.one()?.target == target, "{target}");
        } else {
            for seen in place.upstream.take() {
                // Caddy writes it so, for the agent as for the service.
                ensure!(seen.target == "/albums/%C3%A9", "{target}: {seen:?}");
            }
        }
        ensure!(matches!(answer.status, 200 | 400 | 403), "{answer:?}");
        bound(place, target, (HOST, target), lies_under)?;
    }
    for target in OTHER_FORMS {
        // Go hangs up on some without a word.
        let _ = place.get(target, &narrowed);
        for seen in place.upstream.take() {
            ensure!(seen.target == "/albums/7", "{target}: {seen:?}");
        }
        for host in [HOST, "evil.example"] {
            for path in ["/albums/7", "/private", "/", target] {
                bound(place, target, (host, path), false)?;
            }
        }
    }
    // A part of the line that no server is sent.
    let answer = place.get("/albums/7#/../../private", &narrowed)?;
    ensure!(matches!(answer.status, 400 | 403), "{answer:?}");
    place.refuses(&answer, answer.status)
}

/// A token that is bound to one host and path is good for no other, as the service sees them.
fn bound(place: &Place, target: &str, (host, path): (&str, &str), has_to_pass: bool) -> Result<()> {
    let digest = request_digest("GET", host, path, None);
    let body = false;
    let token = mint(&place.key, &[Caveat::Request { digest, body }])?;
    let answer = place.get(target, &token)?;
    ensure!(answer.status == 200 || !has_to_pass, "{target}: {answer:?}");
    for seen in place.upstream.take() {
        ensure!(
            answer.status == 200 && seen.all("host") == [host] && seen.target == path,
            "bound to {host}{path}, sent as {target}: {seen:?}"
        );
    }
    Ok(())
}
