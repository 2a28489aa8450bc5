//! PASETO in pure Rust, with the claims and rules of `pasetors`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use pasetors::{
    claims::{Claims as PasetoClaims, ClaimsValidationRules},
    keys::{AsymmetricKeyPair, Generate as _, SymmetricKey},
    local, public,
    token::{TrustedToken, UntrustedToken},
    version4::V4,
};

use super::{About, Peer};
use crate::claims::{AUDIENCE, Claims, LIFETIME, USER, check_user, id_text, now};

const PACKAGE: &str = "pasetors";

pub(super) struct Local {
    key: SymmetricKey<V4>,
    rules: ClaimsValidationRules,
}

pub(super) struct Public {
    keys: AsymmetricKeyPair<V4>,
    rules: ClaimsValidationRules,
}

impl Local {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            key: SymmetricKey::generate()?,
            rules: rules(),
        })
    }
}

impl Public {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            keys: AsymmetricKeyPair::generate()?,
            rules: rules(),
        })
    }
}

/// Beside these, begin and end are validated.
fn rules() -> ClaimsValidationRules {
    let mut rules = ClaimsValidationRules::new();
    rules.validate_audience_with(AUDIENCE);
    rules
}

/// `iat`, `nbf` and `exp` come with the crate's own reading of the clock; it wants all three.
fn claims_of(claims: &Claims) -> Result<PasetoClaims> {
    let mut out = PasetoClaims::new_expires_in(&Duration::from_secs(LIFETIME))?;
    out.subject(USER)?;
    out.audience(claims.audience)?;
    out.token_identifier(&id_text(claims.id))?;
    if claims.expires < now() {
        out.expiration(&super::rusty_paseto::rfc3339(claims.expires)?)?;
    }
    Ok(out)
}

fn check(token: &TrustedToken) -> Result<()> {
    let claims = token.payload_claims().context("no claims")?;
    let user = claims.get_claim("sub").and_then(|user| user.as_str());
    check_user(user.context("no user")?)
}

impl Peer for Local {
    fn about(&self) -> About {
        About {
            name: "PASETO v4.local (pasetors)",
            is_narrowed: false,
            is_own: false,
            package: PACKAGE,
            backend: Some("orion"),
            how: "XChaCha20 and keyed BLAKE2b",
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        *token = local::encrypt(&self.key, &claims_of(claims)?, None, None)?;
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let token = UntrustedToken::try_from(token)?;
        check(&local::decrypt(&self.key, &token, &self.rules, None, None)?)
    }
}

impl Peer for Public {
    fn about(&self) -> About {
        About {
            name: "PASETO v4.public (pasetors)",
            is_narrowed: false,
            is_own: false,
            package: PACKAGE,
            backend: Some("ed25519-compact"),
            how: "Ed25519",
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        *token = public::sign(&self.keys.secret, &claims_of(claims)?, None, None)?;
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let token = UntrustedToken::try_from(token)?;
        check(&public::verify(
            &self.keys.public,
            &token,
            &self.rules,
            None,
            None,
        )?)
    }
}
