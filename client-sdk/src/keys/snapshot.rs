//! What one round of fetching brought. Replaced whole, never changed.

use std::{collections::HashMap, time::Duration};

use cattery_core::UserKey;
use zeroize::Zeroizing;

pub(crate) struct Snapshot {
    /// Counts fetches that succeeded, from 1.
    pub(crate) round: u64,
    pub(crate) principal: String,
    pub(crate) held: HashMap<String, Held>,
}

/// What there is to sign with for one service.
pub(crate) enum Held {
    Key(Box<UserKey>),
    /// From an agent, which keeps the key: a token to narrow.
    Token {
        text: Zeroizing<String>,
        /// Unix seconds.
        not_after: u64,
    },
    Refused(String),
}

impl Held {
    /// When it ends, Unix seconds.
    pub(crate) fn ends(&self) -> Option<u64> {
        match self {
            Self::Key(key) => Some(key.id().expires_at),
            Self::Token { not_after, .. } => Some(*not_after),
            Self::Refused(_) => None,
        }
    }
}

/// What a source gives for a snapshot.
pub(crate) struct Fetched {
    pub(crate) principal: String,
    pub(crate) held: HashMap<String, Held>,
    /// The clock by which the ends are to be read, Unix seconds.
    pub(crate) now: u64,
}

impl Fetched {
    /// How long the first of them lasts; `None` where there is none.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        let ends = self.held.values().filter_map(Held::ends).min()?;
        Some(Duration::from_secs(ends.saturating_sub(self.now)))
    }

    /// Why there is nothing to sign with, if so.
    pub(crate) fn nothing(&self) -> Option<String> {
        if self.held.values().any(|held| held.ends().is_some()) {
            return None;
        }
        let refused = self.held.iter().filter_map(|(service, held)| match held {
            Held::Refused(why) => Some(format!("{service}: {why}")),
            Held::Key(_) | Held::Token { .. } => None,
        });
        Some(refused.collect::<Vec<_>>().join("; "))
    }
}
