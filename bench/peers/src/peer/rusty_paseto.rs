//! PASETO in pure Rust, with the builders and parsers of `rusty_paseto`. They keep no state: there is a new one for each token.

use std::time::Duration;

use anyhow::{Context as _, Result};
use pasetors::{
    keys::{AsymmetricKeyPair, Generate as _},
    version4,
};
use rusty_paseto::prelude::{
    ExpirationClaim, Key, Local as LocalPurpose, PasetoAsymmetricPrivateKey,
    PasetoAsymmetricPublicKey, PasetoBuilder, PasetoParser, PasetoSymmetricKey,
    Public as PublicPurpose, V4,
};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{About, Peer};
use crate::claims::{AUDIENCE, Claims, LIFETIME, USER, check_user, id_text, now};

const PACKAGE: &str = "rusty_paseto";

pub(super) struct Local(PasetoSymmetricKey<V4, LocalPurpose>);

pub(super) struct Public {
    secret: Key<64>,
    public: Key<32>,
}

/// What the application reads. The crate has validated the other claims by then.
#[derive(Deserialize)]
struct Read {
    sub: String,
    #[serde(rename = "jti")]
    _id: String,
}

impl Local {
    pub(super) fn new() -> Result<Self> {
        let key: [u8; 32] = rand::random();
        Ok(Self(PasetoSymmetricKey::from(Key::from(key))))
    }
}

impl Public {
    pub(super) fn new() -> Result<Self> {
        let pair = AsymmetricKeyPair::<version4::V4>::generate()?;
        Ok(Self {
            secret: Key::try_from(pair.secret.as_bytes())?,
            public: Key::try_from(pair.public.as_bytes())?,
        })
    }
}

/// `iat`, `nbf` and `exp` come with the crate's own reading of the clock.
fn builder<'a, P>(claims: &Claims, id: &'a str) -> Result<PasetoBuilder<'a, V4, P>> {
    let mut builder = PasetoBuilder::default()
        .subject(USER)
        .audience(claims.audience)
        .token_identifier(id);
    if claims.expires < now() {
        builder.set_claim(ExpirationClaim::try_from(rfc3339(claims.expires)?)?);
        return Ok(builder);
    }
    Ok(builder.expires_in(Duration::from_secs(LIFETIME)))
}

/// Beside the audience, begin and end are validated.
fn parser<'a, P>() -> PasetoParser<'a, V4, P> {
    PasetoParser::default().expect_audience(AUDIENCE)
}

/// As PASETO wants its times.
pub(super) fn rfc3339(seconds: u64) -> Result<String> {
    let seconds = i64::try_from(seconds)?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).context("no time")?;
    Ok(time.format(&Rfc3339)?)
}

impl Peer for Local {
    fn about(&self) -> About {
        About {
            name: "PASETO v4.local (rusty_paseto)",
            is_narrowed: false,
            is_own: false,
            package: PACKAGE,
            backend: Some("chacha20"),
            how: "XChaCha20 and keyed BLAKE2b, of RustCrypto",
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        let id = id_text(claims.id);
        *token = builder::<LocalPurpose>(claims, &id)?.build(&self.0)?;
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let read: Read = parser::<LocalPurpose>().parse_into(token, &self.0)?;
        check_user(&read.sub)
    }
}

impl Peer for Public {
    fn about(&self) -> About {
        About {
            name: "PASETO v4.public (rusty_paseto)",
            is_narrowed: false,
            is_own: false,
            package: PACKAGE,
            backend: Some("ed25519-dalek"),
            how: "Ed25519",
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        let id = id_text(claims.id);
        let key = PasetoAsymmetricPrivateKey::from(&self.secret);
        *token = builder::<PublicPurpose>(claims, &id)?.build(&key)?;
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let key = PasetoAsymmetricPublicKey::from(&self.public);
        let read: Read = parser::<PublicPurpose>().parse_into(token, &key)?;
        check_user(&read.sub)
    }
}
