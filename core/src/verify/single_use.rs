//! The memory of single-use tokens (SPEC section 5, step 8).

use crate::limits::LEASE_ID_LEN;

/// Remembers which single-use tokens were used.
///
/// The rule for a restart is the verifier's, so that no memory can forget it: the verifier asks for [`since`](Self::since)
/// before every use, and refuses what may have been used before.
pub trait SingleUse {
    /// When this memory began empty.
    fn since(&self) -> MemorySince;

    /// Looks up and remembers, in one atomic step. Called once a token has passed everything else.
    ///
    /// # Errors
    /// The mark is remembered already, or there is no room for it.
    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused>;
}

impl<T: SingleUse + ?Sized> SingleUse for &T {
    fn since(&self) -> MemorySince {
        (**self).since()
    }
    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused> {
        (**self).use_once(once)
    }
}

/// When a memory of single-use tokens began empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemorySince {
    /// It holds every use there ever was.
    Always,
    /// At this second (Unix): tokens with not_before ≤ this + leeway may have been used before, and are refused.
    Restart(u64),
}

/// Why a memory refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseRefused {
    /// The mark is remembered: `replayed`.
    Replayed,
    /// The share of this token, lease or principal is full, or all of the memory: `replay_full`.
    Full,
}

/// One use of a single-use token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use<'a> {
    /// What is remembered: SHA-256 of the T that SPEC section 5, step 8 names. A hash, because T itself is secret.
    pub mark: [u8; 32],
    /// SHA-256 of T_0, for the share of one token (which can be narrowed to any number of marks).
    pub token: [u8; 32],
    /// The lease, for its share (together with `principal`).
    pub lease_id: [u8; LEASE_ID_LEN],
    /// The principal, for their share.
    pub principal: &'a str,
    /// When it is used, in Unix seconds.
    pub now: u64,
    /// The last second (Unix) at which the token can still pass: the second before not_after + leeway, or 2^64 − 1 where
    /// that is later. The mark can be forgotten when now > this. Clocks step back: once a memory has forgotten by the clock
    /// X, it cannot know whether a mark with `remember_through` < X is new, and answers [`UseRefused::Replayed`].
    pub remember_through: u64,
}

/// No memory: every single-use token is refused with `replay_full`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSingleUse;

impl SingleUse for NoSingleUse {
    fn since(&self) -> MemorySince {
        MemorySince::Always
    }
    fn use_once(&self, _: &Use<'_>) -> Result<(), UseRefused> {
        Err(UseRefused::Full)
    }
}
