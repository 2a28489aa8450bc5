//! Why news is not taken.

use cattery_core::NameError;
use cattery_locked::LockError;
use cattery_sdk::sealing::SealingError;

use crate::position::Position;

/// What is wrong with a set of keys. What is held stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    /// It is another service's.
    #[error("the keys are those of service `{0}`, not of this one")]
    Service(String),
    /// It goes further than what it is as of.
    #[error("it goes to {position}, and is as of {as_of}, which is not that far")]
    Ahead {
        /// How far it goes.
        position: Position,
        /// As of when it is.
        as_of: Position,
    },
    /// Nobody says how new it is.
    #[error("there is no position in it")]
    NoPosition,
    /// There is none.
    #[error("there is no key in it")]
    Empty,
    /// A key twice.
    #[error("epoch {epoch}, generation {generation} is in it twice")]
    Twice {
        /// Its epoch.
        epoch: u32,
        /// Its generation.
        generation: u32,
    },
    /// An epoch that is not live.
    #[error("epoch {epoch} is not live, and yet its key is in it")]
    State {
        /// Which.
        epoch: u32,
    },
    /// A key does not open.
    #[error("the key of epoch {epoch}: {why}")]
    Sealed {
        /// Which.
        epoch: u32,
        /// Why.
        why: SealingError,
    },
    /// A key of another length than 32 bytes.
    #[error("the key of epoch {epoch} has not 32 bytes")]
    Length {
        /// Which.
        epoch: u32,
    },
    /// A key that is said to be held, and is not.
    #[error(
        "the key of epoch {epoch}, generation {generation} is not in it, and this agent does not hold it"
    )]
    NoKey {
        /// Its epoch.
        epoch: u32,
        /// Its generation.
        generation: u32,
    },
    /// A revocation for no principal.
    #[error("a revocation names no principal: {0}")]
    Principal(NameError),
    /// What ids are fingerprinted with has another length.
    #[error("the revocation key has {len} bytes, and not 16")]
    RevocationKey {
        /// Its length.
        len: usize,
    },
    /// What is held was fingerprinted with another one.
    #[error("the revocation key is not the one that this agent holds, and yet the incarnation is")]
    OtherRevocationKey,
    /// A fingerprint of another length.
    #[error("a revoked id has a fingerprint of {len} bytes, and not of 16")]
    Fingerprint {
        /// Its length.
        len: usize,
    },
    /// Something between what is held and what is told is missing.
    #[error("it is what changed after {since}, and this agent holds {}", Held(*.held))]
    Gap {
        /// What it adds to.
        since: Position,
        /// What there is to add to.
        held: Option<Position>,
    },
    /// It ends where it begins, or before.
    #[error("it leads from {since} to {position}, which is no step ahead")]
    NoStep {
        /// Where it begins.
        since: Position,
        /// Where it ends.
        position: Position,
    },
    /// It is older than what this agent has seen.
    #[error(
        "it is at {offered}, and this agent has seen {seen}: this authority is behind; a backup has to be restored as a new incarnation"
    )]
    Older {
        /// How new it is.
        offered: Position,
        /// How new the newest was.
        seen: Position,
    },
    /// An epoch's number that was given before may be given again.
    #[error(
        "its newest epoch is {offered}, and this agent has seen epoch {seen}: this authority runs on an old backup; restore it with an epoch above {seen}"
    )]
    OlderEpoch {
        /// The newest one in it.
        offered: u32,
        /// The newest one of all times.
        seen: u32,
    },
    /// A generation that was replaced is back.
    #[error(
        "epoch {epoch} is at generation {offered}, and this agent holds generation {held}: this authority is behind; a backup has to be restored as a new incarnation"
    )]
    OlderGeneration {
        /// Its epoch.
        epoch: u32,
        /// The newest one in it.
        offered: u32,
        /// The newest one that is held.
        held: u32,
    },
    /// Memory.
    #[error(transparent)]
    Lock(#[from] LockError),
}

struct Held(Option<Position>);

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(position) => position.fmt(f),
            None => f.write_str("nothing"),
        }
    }
}
