//! Caveats on their way in, out, and into words.

use anyhow::Context as _;
use cattery_core::{AnyOf, Caveat, CaveatError, PRESENTER_KEY};

use crate::clock;

/// The canonical encodings, for a request to an authority.
pub(crate) fn encode(caveats: &[Caveat<'_>]) -> anyhow::Result<Vec<Vec<u8>>> {
    let encoded = caveats.iter().map(|caveat| {
        let mut bytes = Vec::new();
        caveat.encode(&mut bytes).map(|()| bytes)
    });
    encoded
        .collect::<Result<_, _>>()
        .context("the caveat can never hold")
}

/// An encoded caveat in the text form.
pub(crate) fn text(encoded: &[u8]) -> String {
    parsed(&Caveat::parse(encoded))
}

/// A caveat in the text form, or a word for one that cannot be read.
pub(crate) fn parsed(caveat: &Result<Caveat<'_>, CaveatError>) -> String {
    match caveat {
        Ok(caveat) => caveat.to_string(),
        Err(_) => "unreadable".to_owned(),
    }
}

/// What a caveat asks for, in words that follow "only if".
pub(crate) fn sentence(caveat: &Result<Caveat<'_>, CaveatError>, now: u64) -> String {
    let Ok(caveat) = caveat else {
        return "never: this condition cannot be read, so it holds for no request".to_owned();
    };
    // The text form escapes what does not print, so that a hostile caveat cannot steer the terminal.
    let text = caveat.to_string();
    let value = text.split_once('=').map_or("", |(_, value)| value);
    match caveat {
        Caveat::TimeWindow {
            not_before,
            not_after,
        } => match (not_before, not_after) {
            (from, 0) => format!("it is {} or later", clock::both(*from, now)),
            (0, until) => format!("it is before {}", clock::both(*until, now)),
            (from, until) => format!(
                "it is {} or later, and before {}",
                clock::both(*from, now),
                clock::both(*until, now)
            ),
        },
        Caveat::Scopes(any_of) => format!("the request's scope is {}", one_of(value, any_of)),
        Caveat::Methods(any_of) => format!("the method is {}", one_of(value, any_of)),
        Caveat::PathPrefix(_) if value == "/" => "the path is a plain one".to_owned(),
        Caveat::PathPrefix(_) => format!("the path is {value} or lies below it"),
        Caveat::SourceAddr(any_of) => {
            format!("the client's address is in {}", one_of(value, any_of))
        }
        Caveat::ClientCert(_) => format!("the client's certificate has the SHA-256 {value}"),
        Caveat::Request { body: true, .. } => format!(
            "the request, its body too, is the one with the digest {}",
            value.trim_end_matches("+body")
        ),
        Caveat::Request { body: false, .. } => {
            format!("the request is the one with the digest {value}")
        }
        Caveat::Context { key, .. } if key == PRESENTER_KEY => {
            format!("{value} presents it in x-cat-forward, beside a token of its own")
        }
        Caveat::Context { .. } => format!(
            "the service's own context says {}",
            text.trim_start_matches("context:")
        ),
        Caveat::ThirdParty { .. } => format!(
            "{} vouches for it with a discharge",
            value
                .rsplit_once(':')
                .map_or(value, |(principal, _)| principal)
        ),
        Caveat::SingleUse { .. } => "it was not used before: it is good for one use".to_owned(),
        Caveat::RevocationId { .. } => format!("the hand-out {value} has not been revoked"),
    }
}

fn one_of(value: &str, any_of: &AnyOf<'_>) -> String {
    if any_of.iter().nth(1).is_some() {
        format!("one of {value}")
    } else {
        value.to_owned()
    }
}
