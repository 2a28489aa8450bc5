//! Tokens of each kind.

use cattery_core::{Caveat, TokenSpec, UserKey, request_digest};

pub(super) const METHOD: &str = "GET";
pub(super) const AUTHORITY: &str = "photos.example";
pub(super) const PATH: &str = "/albums/7?size=l";

/// What a token is narrowed by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// The request.
    Bound,
    /// A single use.
    Once,
}

/// A token that is good from `now` on.
pub(super) fn mint(key: &UserKey, kind: Kind, now: u64) -> anyhow::Result<String> {
    let caveats = match kind {
        Kind::Plain => vec![],
        Kind::Bound => vec![Caveat::Request {
            digest: request_digest(METHOD, AUTHORITY, PATH, None),
            body: false,
        }],
        Kind::Once => vec![Caveat::SingleUse { id: rand::random() }],
    };
    let spec = TokenSpec {
        not_before: now,
        not_after: now + 60,
        token_id: rand::random(),
        caveats: &caveats,
        ..TokenSpec::default()
    };
    let mut token = String::new();
    key.mint(&spec, &mut token)?;
    Ok(token)
}
