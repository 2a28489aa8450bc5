//! A refusal: a code for the caller, and evidence for logs.

use std::fmt;

use super::code::Code;
use super::demands::Demand;
use crate::caveat::{CaveatFailure, CaveatKind};
use crate::form::FormError;
use crate::key_id::KeyId;
use crate::limits::ID_LEN;
use crate::wire::WireError;

/// A refused presentation. It holds no key and no tag, and may go to a log whole; a caller is told `code` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied<'s> {
    /// What the caller is told.
    pub code: Code,
    /// The evidence.
    pub reason: Reason,
    /// Whose key signed it, as far as it could be read. A mere claim unless [`is_authentic`](Self::is_authentic).
    pub key_id: Option<KeyId<'s>>,
    /// The token's id, once the payload could be read.
    pub token_id: Option<[u8; ID_LEN]>,
}

impl Denied<'_> {
    /// Step 1.
    pub(super) fn malformed((part, error): (Part, FormError)) -> Self {
        Self {
            code: Code::Malformed,
            reason: Reason::Form(part, error),
            key_id: None,
            token_id: None,
        }
    }

    /// Whether the tag was right (step 4), so that `key_id` is more than a claim.
    pub fn is_authentic(&self) -> bool {
        match self.reason {
            Reason::Form(..) | Reason::Audience | Reason::Key | Reason::Tag => false,
            Reason::Lease(_)
            | Reason::Payload(_)
            | Reason::Caveat { .. }
            | Reason::Demanded(_)
            | Reason::NoPresenter
            | Reason::Restarted
            | Reason::Once => true,
        }
    }
}

/// Evidence for a refusal, one variant for each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Step 1: this part breaks this rule.
    Form(Part, FormError),
    /// Step 2: the service is not this verifier's own.
    Audience,
    /// Step 3: no key of that epoch and generation is held.
    Key,
    /// Step 4: the tag is wrong.
    Tag,
    /// Step 5.
    Lease(LeaseFailure),
    /// Step 6.
    Payload(PayloadFailure),
    /// Step 7: this caveat does not hold.
    Caveat {
        /// Which of the two lists it stands in: [`Part::Key`] or [`Part::Token`].
        list: Part,
        /// Where in the list, from 0.
        index: u8,
        /// Its kind, where it could be read.
        kind: Option<CaveatKind>,
        /// Why.
        why: CaveatFailure,
    },
    /// Every caveat holds, and this verifier demands one that is not there.
    Demanded(Demand),
    /// Step 7 for a forwarded token: every caveat holds, and none says who may present it.
    NoPresenter,
    /// Step 8: the memory began empty at a restart that is too recent to tell.
    Restarted,
    /// Step 8: the memory said so.
    Once,
}

/// A part of a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Presentation,
    /// The token.
    Token,
    /// The key's caveats.
    Key,
    /// The discharge with this number, from 0.
    Discharge(u8),
}

/// What is wrong with the lease (step 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseFailure {
    /// It is over.
    #[error("the key's lease is over")]
    Over,
    /// The principal's keys of that version are revoked.
    #[error("the principal's keys below version {least} are revoked")]
    Version {
        /// The least version that is not.
        least: u32,
    },
    /// This lease is revoked.
    #[error("the lease is revoked")]
    Revoked,
}

/// What is wrong with the payload (step 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFailure {
    /// It is not canonical.
    #[error("the payload is not canonical: {0}")]
    Wire(#[from] WireError),
    /// The token id has not 16 bytes; or, in a discharge, the ticket or `bound_to` a wrong length.
    #[error("an id of {0} bytes")]
    Length(usize),
    /// The claims type is not the name of a message.
    #[error("the claims type is not the full name of a message")]
    ClaimsType,
    /// It ends before it begins.
    #[error("it ends before it begins")]
    Order,
    /// It ends after its key.
    #[error("it ends after its key")]
    OutlivesKey,
    /// It begins later.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It is over.
    #[error("it is over")]
    Over,
    /// Its window is longer than this verifier's greatest.
    #[error("its window is longer than this verifier allows")]
    LifetimeTooLong,
    /// The token id is revoked.
    #[error("the token is revoked")]
    Revoked,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Presentation => f.write_str("presentation"),
            Self::Token => f.write_str("token"),
            Self::Key => f.write_str("key"),
            Self::Discharge(index) => write!(f, "discharge {index}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(part, error) => write!(f, "{part}: {error}"),
            Self::Audience => f.write_str("it is for another service"),
            Self::Key => f.write_str("no key of its epoch and generation is held"),
            Self::Tag => f.write_str("the tag is wrong"),
            Self::Lease(failure) => failure.fmt(f),
            Self::Payload(failure) => failure.fmt(f),
            Self::Caveat {
                list,
                index,
                kind: Some(kind),
                why,
            } => write!(f, "{list} caveat {index} ({kind}): {why}"),
            Self::Caveat {
                list,
                index,
                kind: None,
                why,
            } => write!(f, "{list} caveat {index}: {why}"),
            Self::Demanded(demand) => write!(f, "this service demands {demand}"),
            Self::NoPresenter => {
                f.write_str("it is forwarded, and no caveat says who may present it")
            }
            Self::Restarted => f.write_str("it may have been used before the restart"),
            Self::Once => f.write_str("the memory of single-use tokens refuses it"),
        }
    }
}

impl fmt::Display for Denied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

impl std::error::Error for Denied<'_> {}
