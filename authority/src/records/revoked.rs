use std::fmt;

use cattery_core::RevocableId;
use serde::{Deserialize, Serialize};

use super::Hex;

/// `revoked/NNNNNNNNNNNNNNNNNNNN`: ids that were revoked in one change. It lies under that change's
/// [`FeedRecord::sequence`](super::FeedRecord::sequence).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedRecord {
    /// [`FeedRecord::sequence`](super::FeedRecord::sequence) of the change.
    pub changed: u64,
    /// What was revoked.
    pub entries: Vec<RevokedEntry>,
}

/// `own-revoked/PRINCIPAL`: what somebody revoked of their own, without an operator. It keeps count, so that nobody fills the memory of every agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRevokedRecord {
    /// [`RevokedEntry::ends_at`] of each one that is kept.
    pub ends: Vec<u64>,
}

/// One id that was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedEntry {
    /// `user/NAME` or `service/NAME`.
    pub principal: String,
    /// Which of theirs.
    #[serde(flatten)]
    pub id: RevocableIdRecord,
    /// From when on nothing passes that it concerns, by any clock.
    pub ends_at: u64,
}

/// A [`RevocableId`], as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "kebab-case")]
pub enum RevocableIdRecord {
    /// A user key and all that comes of it.
    Lease(Hex<8>),
    /// One token.
    Token(Hex<16>),
    /// A handed-out key or token.
    HandedOut(Hex<16>),
}

impl RevokedRecord {
    /// When the last entry ends.
    pub fn ends_at(&self) -> u64 {
        let ends = self.entries.iter().map(|entry| entry.ends_at);
        ends.max().unwrap_or(0)
    }
}

impl From<RevocableIdRecord> for RevocableId {
    fn from(id: RevocableIdRecord) -> Self {
        match id {
            RevocableIdRecord::Lease(Hex(id)) => Self::Lease(id),
            RevocableIdRecord::Token(Hex(id)) => Self::Token(id),
            RevocableIdRecord::HandedOut(Hex(id)) => Self::HandedOut(id),
        }
    }
}

impl fmt::Display for RevocableIdRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lease(id) => write!(f, "lease {id}"),
            Self::Token(id) => write!(f, "token {id}"),
            Self::HandedOut(id) => write!(f, "handed-out {id}"),
        }
    }
}
