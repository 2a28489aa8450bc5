//! Handing out: a narrower key or token as a text that somebody else can use.

use std::{fmt, time::SystemTime};

use cattery_core::{
    AttenuateError, Caveat, FormError, KeyError, Scratch, UserKey,
    inspect::{self, Inspected},
};
use zeroize::Zeroizing;

use super::{Narrowed, Narrowing, NarrowingError};
use crate::keys::{MintError, narrow_token};

/// A narrower key (`catkey1_…`) or token (`cat1_…`): a secret for whom it is handed to. Wiped on drop.
pub struct HandedOut {
    text: Zeroizing<String>,
    /// By which it can be revoked alone, together with the principal's name; `None` where it was not to be revocable.
    pub revocation_id: Option<[u8; 16]>,
    /// When it ends, Unix seconds: with its lease or token, or earlier where it says so.
    pub expires_at: u64,
}

impl HandedOut {
    /// The text: a secret.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for HandedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandedOut")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why nothing was handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandOutError {
    /// The conditions make no sense.
    #[error(transparent)]
    Narrowing(#[from] NarrowingError),
    /// There is no key for the service, or none any more.
    #[error(transparent)]
    NoKey(#[from] MintError),
    /// The agent keeps the key.
    #[error(
        "an agent signs for this client and keeps the key: narrow a token instead (`Narrowing::narrow_token`)"
    )]
    ThroughAgent,
    /// No verifier would take such a key: it has too many conditions, say.
    #[error("the key cannot be narrowed so: {0}")]
    Key(#[from] KeyError),
    /// No verifier would take such a token.
    #[error("the token cannot be narrowed so: {0}")]
    Token(#[from] AttenuateError),
    /// What is to be narrowed is none.
    #[error("this is no token, or not all of one: {0}")]
    Form(#[from] FormError),
    /// What is to be narrowed is none.
    #[error("this is no token (cat1_…) that a service would take")]
    NoToken,
}

impl Narrowing {
    /// A narrower key.
    ///
    /// # Errors
    /// [`HandOutError`].
    pub fn narrow_key(&self, key: &UserKey) -> Result<HandedOut, HandOutError> {
        narrower_key(key, &self.build()?)
    }

    /// A narrower token, with no key.
    ///
    /// # Errors
    /// [`HandOutError`].
    pub fn narrow_token(&self, token: &str) -> Result<HandedOut, HandOutError> {
        let narrowed = self.build()?;
        let mut scratch = Scratch::new();
        let Inspected::Token(read) = inspect::parse(token, &mut scratch)? else {
            return Err(HandOutError::NoToken);
        };
        let payload = read.unverified_payload();
        let ends = payload.map_err(|_| HandOutError::NoToken)?.not_after;
        let expires_at = narrowed.ends(ends);
        Ok(HandedOut {
            text: narrow_token(token, narrowed.caveats.into_iter())?,
            revocation_id: narrowed.revocation_id,
            expires_at,
        })
    }

    /// As [`narrow_key`](Self::narrow_key), by a clock that is `offset` seconds before this computer's.
    pub(crate) fn narrow_key_by(
        &self,
        key: &UserKey,
        offset: i64,
    ) -> Result<HandedOut, HandOutError> {
        let by = std::time::Duration::from_secs(offset.unsigned_abs());
        let now = SystemTime::now();
        let now = if offset < 0 {
            now.checked_sub(by)
        } else {
            now.checked_add(by)
        };
        let now = now.ok_or(NarrowingError::Time)?;
        narrower_key(key, &self.build_at(now, [rand::random(), rand::random()])?)
    }
}

fn narrower_key(key: &UserKey, narrowed: &Narrowed) -> Result<HandedOut, HandOutError> {
    let Some((first, others)) = narrowed.caveats.split_first() else {
        return Err(NarrowingError::Empty.into());
    };
    let mut narrower = key.attenuate(first)?;
    for caveat in others {
        narrower.narrow(caveat)?;
    }
    Ok(HandedOut {
        text: narrower.to_text(),
        revocation_id: narrowed.revocation_id,
        expires_at: narrowed.ends(key.id().expires_at),
    })
}

impl Narrowed {
    /// When it ends that would end then without.
    fn ends(&self, end: u64) -> u64 {
        let ends = self.caveats.iter().filter_map(|caveat| match caveat {
            Caveat::TimeWindow { not_after, .. } if *not_after != 0 => Some(*not_after),
            _ => None,
        });
        ends.fold(end, u64::min)
    }
}
