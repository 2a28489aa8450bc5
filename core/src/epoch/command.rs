//! What is asked of a line, and what comes of it.

use super::line::Line;

/// What an operator or automatic rotation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    /// Make the next key, so that agents get it before anyone signs with it.
    Prepare,
    /// Issue from the prepared key, and from the present one no longer.
    Activate {
        /// Do not wait for live agents that lack the key.
        force: bool,
    },
    /// Destroy the draining key.
    Retire {
        /// Do not wait for its leases to end: whoever holds one is refused.
        force: bool,
    },
    /// Emergency: a fresh key at once, and all others destroyed at once. Everything signed before is dead.
    Replace,
}

/// What the store has to do with keys, in the same transaction that stores the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Store a new key under this number.
    MakeKey(u32),
    /// Delete the key of this number.
    DestroyKey(u32),
}

/// An agent that a change did not wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeftBehind {
    /// Its agent ID.
    pub id: String,
    /// The last second (Unix, by any clock) at which it may still answer from what it held before the change.
    pub until: u64,
}

/// A step that may be taken: if the store takes it while nothing that it rests on has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line to store.
    pub line: Line,
    /// What to do with keys.
    pub actions: Vec<Action>,
    /// Live agents that the step does not wait for. Behind a forced `Activate` they refuse tokens of the new key, behind a
    /// forced `Retire` or a `Replace` they accept tokens of the old ones, both until they hear of it or `until` is past. Agents that got in touch while
    /// the step was on its way to the store are not in it: ask [`behind`](super::behind) again once it is stored.
    pub left_behind: Vec<LeftBehind>,
}
