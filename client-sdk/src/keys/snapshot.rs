//! What one round of fetching brought. Replaced whole, never changed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use cattery_core::UserKey;
use zeroize::Zeroizing;

/// No lease lasts longer, whatever an answer says: an `Instant` cannot hold any number.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

pub(crate) struct Snapshot {
    /// Counts fetches that succeeded, from 1.
    pub(crate) round: u64,
    pub(crate) brought: Fetched,
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
}

impl Held {
    /// When it ends, Unix seconds.
    pub(crate) fn ends(&self) -> u64 {
        match self {
            Self::Key(key) => key.id().expires_at,
            Self::Token { not_after, .. } => *not_after,
        }
    }
}

/// What a source gives for a snapshot.
#[derive(Default)]
pub(crate) struct Fetched {
    pub(crate) principal: String,
    pub(crate) held: HashMap<String, Arc<Held>>,
    /// Services that the answer was no for, and why.
    pub(crate) refused: BTreeMap<String, String>,
    /// Services that there was no answer for, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// The clock by which the ends are to be read, Unix seconds.
    pub(crate) now: u64,
    /// That clock minus this computer's, seconds; 0 where they agree.
    pub(crate) offset: i64,
}

impl Fetched {
    /// When the first key ends, Unix seconds; `None` where there is none.
    pub(crate) fn first_end(&self) -> Option<u64> {
        self.held.values().map(|held| held.ends()).min()
    }

    /// How long the first of them lasts; `None` where there is none.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        let left = self.first_end()?.saturating_sub(self.now);
        Some(Duration::from_secs(left).min(LONGEST_LIFE))
    }

    /// Keeps what was held before and is still good, where nothing newer came.
    pub(crate) fn keep(&mut self, before: &Self) {
        for (service, held) in &before.held {
            if held.ends() <= self.now || self.held.contains_key(service) {
                continue;
            }
            self.held.insert(service.clone(), Arc::clone(held));
            if !self.missing.contains_key(service) {
                let why = || "no grant allows it any more".to_owned();
                self.refused.entry(service.clone()).or_insert_with(why);
            }
        }
        if self.principal.is_empty() {
            self.principal.clone_from(&before.principal);
        }
    }
}
