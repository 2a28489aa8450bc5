//! The codes of SPEC section 5: all that a caller is told.

use std::fmt;
use std::str::FromStr;

/// Why a presentation was refused. A caller is told this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// `malformed`: it breaks a rule of form (steps 1 and 6).
    Malformed,
    /// `wrong_service`: it is for another audience (step 2).
    WrongService,
    /// `unknown_epoch`: its key is newer than any held (step 3).
    UnknownEpoch,
    /// `retired_epoch`: its key is older than those held (step 3).
    RetiredEpoch,
    /// `revoked`: its service key's generation, version, lease, token id or handed-out key is (steps 3, 5, 6, 7).
    Revoked,
    /// `bad_tag`: its tag is not the one that its key makes (step 4).
    BadTag,
    /// `key_expired`: its key's lease is over (step 5).
    KeyExpired,
    /// `not_yet_valid`: it begins later (step 6).
    NotYetValid,
    /// `expired`: it is over (step 6).
    Expired,
    /// `lifetime_too_long`: its window is longer than this verifier's greatest (step 6).
    LifetimeTooLong,
    /// `caveat_failed`: a caveat does not hold for this request (step 7).
    CaveatFailed,
    /// `replayed`: it is for a single use, and was used, or may have been (step 8).
    Replayed,
    /// `replay_full`: it is for a single use, and there is no room to remember it (step 8).
    ReplayFull,
}

impl Code {
    /// All codes, in the order of the steps that first give them.
    pub const ALL: [Self; 13] = [
        Self::Malformed,
        Self::WrongService,
        Self::UnknownEpoch,
        Self::RetiredEpoch,
        Self::Revoked,
        Self::BadTag,
        Self::KeyExpired,
        Self::NotYetValid,
        Self::Expired,
        Self::LifetimeTooLong,
        Self::CaveatFailed,
        Self::Replayed,
        Self::ReplayFull,
    ];

    /// The code as the SPEC writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongService => "wrong_service",
            Self::UnknownEpoch => "unknown_epoch",
            Self::RetiredEpoch => "retired_epoch",
            Self::Revoked => "revoked",
            Self::BadTag => "bad_tag",
            Self::KeyExpired => "key_expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::CaveatFailed => "caveat_failed",
            Self::Replayed => "replayed",
            Self::ReplayFull => "replay_full",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::error::Error for Code {}

/// A word that is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a code of SPEC section 5")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(word: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .into_iter()
            .find(|code| code.as_str() == word)
            .ok_or(UnknownCode)
    }
}
