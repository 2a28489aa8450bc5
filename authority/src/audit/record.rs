use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Event;
use crate::records::Hex;
use crate::store::Revision;

/// Names one change: 16 random bytes.
pub type OpId = Hex<16>;

/// A place in the log: a record's number, from 1, and the SHA-256 of its line without the line's end.
/// Number 0 is before the first record, with a hash of the authority's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The record's number.
    pub seq: u64,
    /// The hash of its line.
    pub hash: Hex<32>,
}

/// A change that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Which change.
    pub op: OpId,
    /// The intent's record.
    pub seq: u64,
    /// What it is, as in the log.
    pub action: String,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It happened.
    Done,
    /// It did not happen.
    NotDone,
    /// It happened, as was found out later.
    SettledDone,
    /// It did not happen, as was found out later.
    SettledNotDone,
}

/// The longest line, with its end.
pub(super) const MAX_LINE: u64 = 64 * 1024;

/// Where the log ends.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) position: Position,
    /// In bytes.
    pub(super) len: u64,
}

/// What a line says, beside its place in the chain.
#[derive(Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Body {
    Event {
        #[serde(flatten)]
        event: Event,
    },
    Intent {
        op: OpId,
        #[serde(flatten)]
        event: Event,
    },
    Outcome {
        time: u64,
        op: OpId,
        outcome: Outcome,
        /// The store's at the change, if it happened.
        #[serde(skip_serializing_if = "Option::is_none")]
        revision: Option<Revision>,
    },
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    prev: Hex<32>,
    #[serde(flatten)]
    body: &'a Body,
}

/// What the chain and the settling need of a line; whatever newer versions add is left alone, and hashed all the same.
#[derive(Deserialize)]
pub(super) struct ReadLine {
    pub(super) seq: u64,
    pub(super) prev: Hex<32>,
    pub(super) kind: String,
    pub(super) op: Option<OpId>,
    pub(super) action: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) revision: Option<Revision>,
}

impl Position {
    /// Before the first record.
    pub(super) fn start(authority_id: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(b"cattery.v1 audit\0")
            .chain_update(authority_id);
        Self {
            seq: 0,
            hash: Hex(hash.finalize().into()),
        }
    }

    /// After a line with the number `seq`.
    pub(super) fn of(seq: u64, line: &[u8]) -> Self {
        Self {
            seq,
            hash: Hex(Sha256::digest(line).into()),
        }
    }
}

/// The line that follows `head`, without its end, and the place after it.
pub(super) fn encode(head: Position, body: &Body) -> (Vec<u8>, Position) {
    let line = Line {
        seq: head.seq + 1,
        prev: head.hash,
        body,
    };
    // Only a map whose keys are no strings fails to become JSON.
    let bytes = serde_json::to_vec(&line).unwrap_or_default();
    let position = Position::of(line.seq, &bytes);
    (bytes, position)
}
