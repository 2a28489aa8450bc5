//! Macaroons: who and which in the identifier, where and when as caveats.

use std::str;

use anyhow::{Context as _, Result};
use macaroon::{ByteString, Format, MacaroonKey, Verifier};

use super::{About, Peer};
use crate::claims::{AUDIENCE, Claims, METHOD, PATH, SCOPE, USER, check_user, id_text, now};

pub(super) struct Macaroon {
    key: MacaroonKey,
    verifier: Verifier,
    is_narrowed: bool,
}

impl Macaroon {
    pub(super) fn new(is_narrowed: bool) -> Result<Self> {
        macaroon::initialize()?;
        let mut verifier = Verifier::default();
        verifier.satisfy_exact(format!("audience = {AUDIENCE}").into());
        verifier.satisfy_exact(format!("scope = {SCOPE}").into());
        verifier.satisfy_exact(format!("method = {METHOD}").into());
        verifier.satisfy_general(time_holds);
        verifier.satisfy_general(path_holds);
        Ok(Self {
            key: MacaroonKey::generate(&rand::random::<[u8; 32]>()),
            verifier,
            is_narrowed,
        })
    }
}

fn time_holds(caveat: &ByteString) -> bool {
    let time = |prefix| {
        let text = str::from_utf8(&caveat.0).ok()?;
        text.strip_prefix(prefix)?.parse::<u64>().ok()
    };
    if let Some(begin) = time("time >= ") {
        return begin <= now();
    }
    time("time < ").is_some_and(|end| now() < end)
}

fn path_holds(caveat: &ByteString) -> bool {
    let prefix = caveat.0.strip_prefix(b"path = ");
    let rest = prefix.and_then(|prefix| PATH.as_bytes().strip_prefix(prefix));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

impl Peer for Macaroon {
    fn about(&self) -> About {
        About {
            name: if self.is_narrowed {
                "macaroon, 6 caveats"
            } else {
                "macaroon, 3 caveats"
            },
            is_narrowed: self.is_narrowed,
            is_own: false,
            package: "macaroon",
            backend: Some("sodiumoxide"),
            how: "HMAC-SHA-256 of libsodium; user and id are the identifier; audience, begin and end are three caveats, what narrows it three more",
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        let identifier = format!("{USER} {}", id_text(claims.id));
        let mut made = macaroon::Macaroon::create(None, &self.key, identifier.into())?;
        made.add_first_party_caveat(format!("audience = {}", claims.audience).into());
        made.add_first_party_caveat(format!("time >= {}", claims.not_before).into());
        made.add_first_party_caveat(format!("time < {}", claims.expires).into());
        if self.is_narrowed {
            made.add_first_party_caveat(format!("scope = {SCOPE}").into());
            made.add_first_party_caveat(format!("method = {METHOD}").into());
            made.add_first_party_caveat(format!("path = {}", claims.prefix).into());
        }
        *token = made.serialize(Format::V2)?;
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let read = macaroon::Macaroon::deserialize(token)?;
        self.verifier.verify(&read, &self.key, Vec::new())?;
        let identifier = read.identifier();
        let (user, _id) = str::from_utf8(&identifier.0)?
            .split_once(' ')
            .context("no id")?;
        check_user(user)
    }
}
