//! Minting: from what is held, without any network.

use std::{fmt, ops::Deref, time::Duration};

use cattery_core::{AttenuateError, Caveat, TokenSpec, UserKey, attenuate_token};
use http::HeaderValue;
use zeroize::Zeroizing;

use super::snapshot::{Held, Snapshot};

/// How long a token is good for unless said otherwise: one call, and a slow network.
const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// What a token is to say beside whom it is for.
#[derive(Clone, Debug)]
pub struct MintOptions {
    /// How long the token is good for, whole seconds; cut at the end of the lease. Default: 60 s.
    pub ttl: Duration,
    /// The token's own caveats.
    pub caveats: Vec<Caveat<'static>>,
    /// Full name of the message in `claims`, or empty.
    pub claims_type: String,
    /// What the signer says of themselves; grants nothing.
    pub claims: Vec<u8>,
}

impl Default for MintOptions {
    fn default() -> Self {
        Self {
            ttl: DEFAULT_TTL,
            caveats: Vec::new(),
            claims_type: String::new(),
            claims: Vec::new(),
        }
    }
}

/// A token, `cat1_…`: a secret while it is good. Wiped on drop.
pub struct Token {
    text: Zeroizing<String>,
    not_after: u64,
}

impl Token {
    /// When it ends, Unix seconds.
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// The value of an `Authorization` header, marked sensitive.
    ///
    /// # Errors
    /// Never for a token that was minted here: its text is base64url.
    pub fn header_value(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", *self.text));
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Deref for Token {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why no token could be minted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The client was not connected for this service.
    #[error("there is no key for the service `{0}`: name it when connecting")]
    NoKey(String),
    /// The authority (or the agent) refused a key for this service.
    #[error("there is no key for the service `{service}`: {why}")]
    Refused {
        /// The service.
        service: String,
        /// What it said.
        why: String,
    },
    /// The lease ran out, since no authority answered for so long.
    #[error("the key for the service `{service}` ended and could not be renewed: {why}")]
    KeyExpired {
        /// The service.
        service: String,
        /// How renewing last failed.
        why: String,
    },
    /// An agent signs for this client, and what it signs has no claims.
    #[error("a client of an agent cannot put claims into a token: call the agent's Mint for that")]
    ClaimsThroughAgent,
    /// No verifier would accept such a token: the caller's fault.
    #[error("such a token cannot be minted: {0}")]
    Spec(#[from] cattery_core::MintError),
    /// No verifier would accept such a token: the caller's fault.
    #[error("such a token cannot be minted: {0}")]
    Narrow(#[from] AttenuateError),
    /// The system's clock stands before 1970.
    #[error("the clock of this computer stands before 1970")]
    Clock,
}

impl Snapshot {
    /// A token for `service` at `now` (Unix seconds). `extra` goes behind the options' caveats.
    pub(crate) fn mint_at(
        &self,
        service: &str,
        options: &MintOptions,
        extra: Option<Caveat<'static>>,
        now: u64,
    ) -> Result<Token, MintError> {
        let held = self
            .held
            .get(service)
            .ok_or_else(|| MintError::NoKey(service.to_owned()))?;
        let not_after = |end: u64| now.saturating_add(options.ttl.as_secs().max(1)).min(end);
        match held {
            Held::Refused(why) => Err(MintError::Refused {
                service: service.to_owned(),
                why: why.clone(),
            }),
            held if held.ends().is_some_and(|end| end <= now) => Err(MintError::KeyExpired {
                service: service.to_owned(),
                why: String::new(),
            }),
            Held::Key(key) => mint_with(key, options, extra, now, not_after(key.id().expires_at)),
            Held::Token {
                text,
                not_after: end,
            } => narrow(text, *end, options, extra, not_after(*end)),
        }
    }
}

fn mint_with(
    key: &UserKey,
    options: &MintOptions,
    extra: Option<Caveat<'static>>,
    now: u64,
    not_after: u64,
) -> Result<Token, MintError> {
    let caveats: Vec<_> = options.caveats.iter().cloned().chain(extra).collect();
    let mut text = Zeroizing::new(String::new());
    key.mint(
        &TokenSpec {
            not_before: now,
            not_after,
            token_id: rand::random(), // the thread's CSPRNG
            claims_type: &options.claims_type,
            claims: &options.claims,
            caveats: &caveats,
        },
        &mut text,
    )?;
    Ok(Token { text, not_after })
}

/// A token that an agent signed, with more caveats: that needs no key.
fn narrow(
    text: &str,
    end: u64,
    options: &MintOptions,
    extra: Option<Caveat<'static>>,
    not_after: u64,
) -> Result<Token, MintError> {
    if !options.claims.is_empty() || !options.claims_type.is_empty() {
        return Err(MintError::ClaimsThroughAgent);
    }
    let until = (not_after < end).then_some(Caveat::TimeWindow {
        not_before: 0,
        not_after,
    });
    let mut text = Zeroizing::new(text.to_owned());
    for caveat in options.caveats.iter().cloned().chain(extra).chain(until) {
        let mut narrower = Zeroizing::new(String::new());
        attenuate_token(&text, &caveat, &mut narrower)?;
        text = narrower;
    }
    Ok(Token { text, not_after })
}
