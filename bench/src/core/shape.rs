//! Tokens of a shape, and how many compressions SPEC asks for to verify one.

use std::fmt;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cattery_core::{Caveat, KeyId, Keyring, RootKey, ServiceKey, TokenSpec, UserKey};

pub(crate) const NOW: u64 = 1_790_000_000;
pub(crate) const SERVICE: &str = "photos";

/// What a token has.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Bytes of the user's name.
    name: usize,
    /// Caveats of the key.
    key_caveats: usize,
    /// Caveats of the token.
    caveats: usize,
    /// Bytes of claims.
    claims: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            name: "alice".len(),
            key_caveats: 0,
            caveats: 0,
            claims: 0,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name of {} bytes", self.name)?;
        for (count, what) in [
            (self.key_caveats, "caveats of the key"),
            (self.caveats, "caveats"),
            (self.claims, "bytes of claims"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// What each caveat says.
const CAVEAT: &str = "path=/albums";

impl Shape {
    /// A plain token with so many caveats of its own.
    pub(crate) fn with_caveats(caveats: usize) -> Self {
        Self {
            caveats,
            ..Self::default()
        }
    }

    pub(crate) fn all() -> Vec<Self> {
        let plain = Self::default();
        let claims = |claims| Self { claims, ..plain };
        let name = |name| Self { name, ..plain };
        let caveats = |key_caveats, caveats| Self {
            key_caveats,
            caveats,
            ..plain
        };
        vec![
            plain,
            name(50),
            name(200),
            caveats(0, 1),
            caveats(0, 4),
            caveats(0, 16),
            caveats(3, 0),
            caveats(16, 16),
            claims(100),
            claims(1_024),
            claims(6_000),
            Self {
                name: 200,
                key_caveats: 8,
                caveats: 8,
                claims: 2_000,
            },
        ]
    }

    fn principal(&self) -> String {
        if self.name == "alice".len() {
            "user/alice".to_owned()
        } else {
            format!("user/{}", "a".repeat(self.name))
        }
    }

    pub(crate) fn id<'p>(&self, principal: &'p str) -> KeyId<'p> {
        KeyId {
            epoch: 1,
            service: SERVICE,
            generation: 0,
            principal,
            version: 0,
            expires_at: NOW + 3_600,
            lease_id: [1; 8],
        }
    }

    pub(crate) fn key(&self, principal: &str) -> Result<UserKey> {
        let caveats = caveats(self.key_caveats)?;
        Ok(UserKey::issue(
            &service_key()?,
            &self.id(principal),
            &caveats,
        )?)
    }

    /// SPEC section 2: two for each keyed state but the service's, and for each MAC one per block and one for its outer hash.
    pub(crate) fn compressions(&self) -> Result<f64> {
        let blocks = |len: usize| (len + 9).div_ceil(64);
        let mac = |len: usize| blocks(len) + 1;
        let caveats = self.key_caveats + self.caveats;
        let header = match self.claims {
            0 => 0,
            1..128 => 2,
            _ => 3,
        };
        let payload = 2 * 6 + 18 + header + self.claims;
        let mut caveat = Vec::new();
        CAVEAT.parse::<Caveat<'_>>()?.encode(&mut caveat)?;
        let user = mac(9 + 20 + self.principal().len()) + 2;
        let all = user + mac(9 + payload) + caveats * (mac(9 + caveat.len()) + 2);
        Ok(f64::from(u32::try_from(all)?))
    }
}

fn caveats(count: usize) -> Result<Vec<Caveat<'static>>> {
    (0..count).map(|_| Ok(CAVEAT.parse()?)).collect()
}

pub(crate) fn service_key() -> Result<ServiceKey> {
    Ok(RootKey::from_bytes([7; 32]).service_key(&SERVICE.parse()?, 0))
}

pub(crate) fn keyring() -> Result<Keyring> {
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key()?));
    Ok(keys)
}

pub(crate) fn spec<'a>(now: u64) -> TokenSpec<'a> {
    TokenSpec {
        not_before: now,
        not_after: now + 300,
        token_id: [2; 16],
        ..TokenSpec::default()
    }
}

/// A token in both of its forms.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) message: Vec<u8>,
}

impl Token {
    pub(crate) fn of(shape: &Shape) -> Result<Self> {
        let caveats = caveats(shape.caveats)?;
        let claims = vec![5; shape.claims];
        let spec = TokenSpec {
            claims: &claims,
            caveats: &caveats,
            ..spec(NOW)
        };
        let mut text = String::new();
        shape
            .key(&shape.principal())?
            .mint(&spec, &mut text)
            .with_context(|| shape.to_string())?;
        let digits = text.strip_prefix("cat1_").context("a token's prefix")?;
        let message = URL_SAFE_NO_PAD.decode(digits)?;
        Ok(Self { text, message })
    }
}
