//! Minting: from what is held, without any network.

use std::{fmt, ops::Deref, time::Duration};

use cattery_core::{AttenuateError, Caveat, CaveatKind, TokenSpec, UserKey, attenuate_token};
use http::HeaderValue;
use zeroize::Zeroizing;

use super::snapshot::{Held, Snapshot};
use crate::narrowing::{HandOutError, HandedOut, Narrowing, NarrowingError};

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
    /// Whether the token is accepted once: each one gets an id of its own.
    ///
    /// A verifier's memory of such tokens is finite, and one lease fills an eighth of it at most. With
    /// [`Credentials::Agent`](super::Credentials::Agent) all tokens of one window are narrowed from one, and share a
    /// 64th. Past that they are refused with `replay_full` until earlier ones have ended. A verifier that has restarted refuses
    /// those of a window that began before.
    pub single_use: bool,
}

impl Default for MintOptions {
    fn default() -> Self {
        Self {
            ttl: DEFAULT_TTL,
            caveats: Vec::new(),
            claims_type: String::new(),
            claims: Vec::new(),
            single_use: false,
        }
    }
}

/// From the thread's CSPRNG, at one time: for an array, it would be asked for each byte.
fn random_id() -> [u8; 16] {
    rand::random::<u128>().to_ne_bytes()
}

/// A token, `cat1_…`: a secret while it is good. Wiped on drop.
pub struct Token {
    text: Zeroizing<String>,
    not_after: u64,
    /// The round of the key, so that a refusal asks for newer ones than this.
    pub(crate) round: u64,
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
    #[error("there is no key for the service `{0}`: name it when connecting, and have it granted")]
    NoKey(String),
    /// The authority (or the agent) refused a key for this service.
    #[error("there is no key for the service `{service}`: {why}")]
    Refused {
        /// The service.
        service: String,
        /// What it said.
        why: String,
    },
    /// The agent cannot sign for this service at present, and never did.
    #[error("there is no key for the service `{service}` yet: {why}")]
    NotYet {
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

impl MintOptions {
    /// The same, and under these conditions too. A single use is one for each token; an id to revoke by is the same for all of them.
    ///
    /// # Errors
    /// No request would meet one of the conditions.
    pub fn narrowed_by(mut self, narrowing: &Narrowing) -> Result<Self, NarrowingError> {
        let narrowed = narrowing.build()?;
        let others = narrowed.caveats.into_iter();
        let others =
            others.filter(|caveat| !(narrowing.once && caveat.kind() == CaveatKind::SingleUse));
        self.caveats.extend(others);
        self.single_use |= narrowing.once;
        Ok(self)
    }

    /// All caveats of one token. A single use comes first: what a verifier remembers is the tag behind it.
    fn caveats(&self, extra: Option<Caveat<'static>>) -> impl Iterator<Item = Caveat<'static>> {
        let once = self
            .single_use
            .then(|| Caveat::SingleUse { id: random_id() });
        once.into_iter()
            .chain(self.caveats.iter().cloned())
            .chain(extra)
    }
}

impl Snapshot {
    /// A token for `service` at `now` (Unix seconds, by this computer's clock). `extra` goes behind the options' caveats.
    pub(crate) fn mint_at(
        &self,
        service: &str,
        options: &MintOptions,
        extra: Option<Caveat<'static>>,
        now: u64,
    ) -> Result<Token, MintError> {
        let now = now.saturating_add_signed(self.brought.offset);
        let held = self.held_at(service, now)?;
        let end = held.ends();
        let not_after = now.saturating_add(options.ttl.as_secs().max(1)).min(end);
        let caveats = options.caveats(extra);
        let text = match held {
            Held::Key(key) => mint_with(key, options, caveats, now, not_after)?,
            Held::Token { text, .. } => {
                if !options.claims.is_empty() || !options.claims_type.is_empty() {
                    return Err(MintError::ClaimsThroughAgent);
                }
                let until = (not_after < end).then_some(Caveat::TimeWindow {
                    not_before: 0,
                    not_after,
                });
                narrow_token(text, caveats.chain(until))?
            }
        };
        Ok(Token {
            text,
            not_after,
            round: self.round,
        })
    }

    pub(super) fn expired(&self, service: &str) -> MintError {
        let why = self.brought.refused.get(service).cloned();
        MintError::KeyExpired {
            service: service.to_owned(),
            why: why.unwrap_or_else(|| "is the clock of this computer right?".to_owned()),
        }
    }

    /// A narrower key for `service` at `now` (Unix seconds, by this computer's clock).
    pub(crate) fn hand_out_at(
        &self,
        service: &str,
        narrowing: &Narrowing,
        now: u64,
    ) -> Result<HandedOut, HandOutError> {
        let offset = self.brought.offset;
        match self.held_at(service, now.saturating_add_signed(offset))? {
            Held::Key(key) => narrowing.narrow_key_by(key, offset),
            Held::Token { .. } => Err(HandOutError::ThroughAgent),
        }
    }

    /// What there is to sign with, if it is good at `now` (Unix seconds, by the authorities' clock).
    fn held_at(&self, service: &str, now: u64) -> Result<&Held, MintError> {
        let brought = &self.brought;
        let Some(held) = brought.held.get(service) else {
            return Err(self.why_not(service));
        };
        if held.ends() <= now {
            return Err(self.expired(service));
        }
        Ok(held)
    }

    pub(super) fn why_not(&self, service: &str) -> MintError {
        let (refused, missing) = (&self.brought.refused, &self.brought.missing);
        let name = service.to_owned();
        match (refused.get(service).cloned(), missing.get(service).cloned()) {
            (Some(why), _) => MintError::Refused { service: name, why },
            (None, Some(why)) => MintError::NotYet { service: name, why },
            (None, None) => MintError::NoKey(name),
        }
    }
}

fn mint_with(
    key: &UserKey,
    options: &MintOptions,
    caveats: impl Iterator<Item = Caveat<'static>>,
    now: u64,
    not_after: u64,
) -> Result<Zeroizing<String>, MintError> {
    let caveats: Vec<_> = caveats.collect();
    let mut text = Zeroizing::new(String::new());
    key.mint(
        &TokenSpec {
            not_before: now,
            not_after,
            token_id: random_id(),
            claims_type: &options.claims_type,
            claims: &options.claims,
            caveats: &caveats,
        },
        &mut text,
    )?;
    Ok(text)
}

/// A token with more caveats: that needs no key.
pub(crate) fn narrow_token(
    text: &str,
    caveats: impl Iterator<Item = Caveat<'static>>,
) -> Result<Zeroizing<String>, AttenuateError> {
    let mut text = Zeroizing::new(text.to_owned());
    for caveat in caveats {
        let mut narrower = Zeroizing::new(String::new());
        attenuate_token(&text, &caveat, &mut narrower)?;
        text = narrower;
    }
    Ok(text)
}
