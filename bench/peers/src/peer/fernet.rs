//! Fernet: the claims in JSON, encrypted.

use anyhow::{Context as _, Result};

use super::{About, Peer};
use crate::claims::{Claims, Json, LIFETIME, check_user, id_text};

pub(super) struct Fernet(fernet::Fernet);

impl Fernet {
    pub(super) fn new() -> Result<Self> {
        let key = fernet::Fernet::generate_key();
        Ok(Self(fernet::Fernet::new(&key).context("no key")?))
    }
}

impl Peer for Fernet {
    fn about(&self) -> About {
        About {
            name: "Fernet",
            is_narrowed: false,
            is_own: false,
            package: "fernet",
            backend: Some("aes"),
            how: "AES-128-CBC and HMAC-SHA-256 of RustCrypto, and its time to live; claims in JSON, read in place",
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        let id = id_text(claims.id);
        let claims = serde_json::to_vec(&Json::new(claims, &id))?;
        *token = self.0.encrypt(&claims);
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let claims = self.0.decrypt_with_ttl(token, LIFETIME)?;
        let claims: Json<'_> = serde_json::from_slice(&claims)?;
        claims.check()?;
        check_user(claims.sub)
    }
}
