//! How a client is doing, for metrics and readiness.

use std::collections::BTreeMap;

/// How a client is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// When the first key ends, Unix seconds; `None` where there is none. Renewing begins at half of the time.
    pub keys_end: Option<u64>,
    /// When keys last came, Unix seconds.
    pub renewed_at: Option<u64>,
    /// Set while renewing fails. What is held is good until `keys_end`.
    pub failing: Option<Failing>,
    /// The services that no newer key was given for, and why. A key that was held before is used until it ends.
    pub refused: BTreeMap<String, String>,
}

/// How renewing fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failing {
    /// Since when, Unix seconds.
    pub since: u64,
    /// How often by now.
    pub attempts: u32,
    /// The last failure, a line for people.
    pub why: String,
}

impl Failing {
    /// One more failure, after `before`.
    pub(super) fn again(before: Option<&Self>, why: String, now: u64) -> Self {
        Self {
            since: before.map_or(now, |before| before.since),
            attempts: before.map_or(0, |before| before.attempts).saturating_add(1),
            why,
        }
    }
}
