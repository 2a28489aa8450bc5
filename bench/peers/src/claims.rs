//! What every token says.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Who signs, or for whom it was signed.
pub(crate) const USER: &str = "user/alice";
/// Who verifies.
pub(crate) const AUDIENCE: &str = "photos";
/// Another one, whose tokens are no good there.
pub(crate) const ELSEWHERE: &str = "videos";
/// The request's scope, method and path, which caveats are about.
pub(crate) const SCOPE: &str = "photos.read";
pub(crate) const METHOD: &str = "GET";
pub(crate) const PATH: &str = "/albums/7";
/// The part of all paths that a narrowed token is good for.
pub(crate) const PREFIX: &str = "/albums";
/// A part that the request's path does not lie in.
pub(crate) const OTHER_PREFIX: &str = "/admin";
/// So long is a token good, in seconds.
pub(crate) const LIFETIME: u64 = 300;

/// What one token says.
#[derive(Clone, Copy)]
pub(crate) struct Claims {
    pub(crate) audience: &'static str,
    pub(crate) id: [u8; 16],
    pub(crate) not_before: u64,
    pub(crate) expires: u64,
    /// Narrowed tokens alone say it.
    pub(crate) prefix: &'static str,
}

impl Claims {
    /// Those of a new token that is good now: the clock is read, and the id is random.
    pub(crate) fn fresh() -> Self {
        let now = now();
        Self {
            audience: AUDIENCE,
            id: rand::random(),
            not_before: now,
            expires: now + LIFETIME,
            prefix: PREFIX,
        }
    }
}

/// Unix seconds.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// As those formats want an id that carry text.
pub(crate) fn id_text(id: [u8; 16]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(id)
}

/// The claims in JSON, with the names that JWT gives them.
#[derive(Serialize, Deserialize)]
pub(crate) struct Json<'a> {
    pub(crate) sub: &'a str,
    pub(crate) aud: &'a str,
    pub(crate) jti: &'a str,
    pub(crate) nbf: u64,
    pub(crate) exp: u64,
}

impl<'a> Json<'a> {
    pub(crate) fn new(claims: &Claims, id: &'a str) -> Self {
        Self {
            sub: USER,
            aud: claims.audience,
            jti: id,
            nbf: claims.not_before,
            exp: claims.expires,
        }
    }

    /// Whether they are good here and now, for formats that leave this to the application.
    pub(crate) fn check(&self) -> Result<()> {
        let now = now();
        anyhow::ensure!(self.aud == AUDIENCE, "another audience");
        anyhow::ensure!(self.nbf <= now && now < self.exp, "another time");
        Ok(())
    }
}

/// Every verifier says whose token it was.
pub(crate) fn check_user(user: &str) -> Result<()> {
    anyhow::ensure!(user == USER, "another user");
    Ok(())
}
