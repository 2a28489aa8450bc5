//! Why a call fails: whose fault it is, and what they are told.
//!
//! This border is where an authority could turn into an oracle. What the caller did wrong is said to them in words that help;
//! what went wrong in here is one constant sentence outside, with the request's id, and all of it in the log.

use cattery_core::epoch::{Broken, Position};
use cattery_core::{CaveatError, KeyError, NameError};
use cattery_locked::LockError;
use cattery_sdk::sealing::SealingError;
use tonic::{Code, Status};

use crate::audit::{AuditError, ChangeError};
use crate::backup::BackupError;
use crate::ca::CaError;
use crate::records::RecordError;
use crate::seal::SealError;
use crate::store::StoreError;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request is not one: what is wrong with it.
    #[error("{0}")]
    Invalid(String),
    /// Something that the request names is not there: what, and how it would come to be.
    #[error("{0}")]
    NotFound(String),
    /// Something is there already.
    #[error("{0}")]
    AlreadyExists(String),
    /// Not in this state: why, and what to do first.
    #[error("{0}")]
    Refused(String),
    /// The caller did not prove who they are.
    #[error("{0}")]
    Unauthenticated(String),
    /// The caller may not do that.
    #[error("{0}")]
    Denied(String),
    /// Others kept changing the same thing.
    #[error("someone else changed the same thing at the same time; look, and try again")]
    Contended,

    /// The store has not what an agent has seen: it was put back to an older state, or this authority is cut off from the newest.
    #[error(
        "an agent holds {agent}, and the store is at {store}: was an older state of it put back, without `cattery restore`?"
    )]
    Behind {
        /// What the agent holds.
        agent: Position,
        /// Where the store is.
        store: Position,
    },
    /// The store has not any more what it had.
    #[error(
        "the store went back from {seen} to {found}: it was put back to an older state, or restored, underneath this authority. Nothing is issued any more; stop every authority, and restore a backup with `cattery restore`, or start them again where that was done"
    )]
    WentBack {
        /// What this authority had seen.
        seen: Position,
        /// What the store has now.
        found: Position,
    },
    /// The store was not asked in time, or did not answer.
    #[error("the store did not confirm in time what this authority knows of it")]
    Unconfirmed,

    #[error(transparent)]
    Line(#[from] Broken),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Change(ChangeError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Ca(CaError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("cannot serve TLS with the authority's own certificate")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Backup(BackupError),
    #[error("a key cannot be issued from what the store holds")]
    Key(#[from] KeyError),
    #[error("the system gives no randomness")]
    Random(#[from] getrandom::Error),
    /// A bug, or a store that nobody should have made.
    #[error("{0}")]
    Broken(&'static str),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } | StoreError::TooLate => Self::Contended,
            other => Self::Store(other),
        }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Conflict { .. } => Self::Contended,
            ChangeError::Store(error) => error.into(),
            other => Self::Change(other),
        }
    }
}

impl From<CaError> for Failure {
    fn from(error: CaError) -> Self {
        match error {
            CaError::Request(_) | CaError::Name(_) => Self::Invalid(error.to_string()),
            other => Self::Ca(other),
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Store(error) => error.into(),
            BackupError::Record(error) => error.into(),
            BackupError::Seal(error) => error.into(),
            other => Self::Backup(other),
        }
    }
}

impl Failure {
    /// A name that is none.
    pub(crate) fn name(kind: &str, name: &str, error: NameError) -> Self {
        Self::Invalid(format!(
            "the {kind} `{}` is not valid: {error}",
            shown(name)
        ))
    }

    /// A caveat that is none.
    pub(crate) fn caveat(number: usize, error: CaveatError) -> Self {
        Self::Invalid(format!("caveat {number} can never hold: {error}"))
    }

    /// What the caller gets. The whole of a fault of ours goes to the log here, and nowhere else.
    pub(crate) fn into_status(self, request_id: &str) -> Status {
        let code = self.code();
        let message = match code {
            Code::Internal => format!(
                "the authority failed; its log has the reason under the request id {request_id}"
            ),
            Code::Unavailable if self.may_have_happened() => format!(
                "{self}. The authority's log has the reason under the request id {request_id}"
            ),
            Code::Unavailable => format!(
                "the authority cannot do that now; try again. Its log has the reason under the request id {request_id}"
            ),
            _ => self.to_string(),
        };
        match code {
            Code::Internal | Code::Unavailable => {
                tracing::error!(request_id, error = %chain(&self), "a call failed in here");
            }
            _ => tracing::debug!(request_id, ?code, reason = %self, "a call was refused"),
        }
        Status::new(code, message)
    }

    /// What is tried again then could happen twice.
    fn may_have_happened(&self) -> bool {
        matches!(
            self,
            Self::Change(ChangeError::Unrecorded { .. } | ChangeError::Unknown { .. })
        )
    }

    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) | Self::Sealing(SealingError::PublicKey) => Code::InvalidArgument,
            Self::NotFound(_) => Code::NotFound,
            Self::AlreadyExists(_) => Code::AlreadyExists,
            Self::Refused(_) => Code::FailedPrecondition,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::Denied(_) => Code::PermissionDenied,
            Self::Contended => Code::Aborted,
            Self::Store(error) => of_store(error),
            Self::Change(error) => match error {
                ChangeError::Conflict { .. } => Code::Aborted,
                ChangeError::Audit(error) => of_audit(error),
                ChangeError::Store(error) => of_store(error),
                ChangeError::Unrecorded { .. } | ChangeError::Unknown { .. } => Code::Unavailable,
                ChangeError::OldStore { .. } | ChangeError::OtherAuthority { .. } => Code::Internal,
            },
            Self::Audit(error) => of_audit(error),
            Self::Seal(SealError::Store(error)) | Self::Ca(CaError::Store(error)) => {
                of_store(error)
            }
            Self::Lock(_)
            | Self::Random(_)
            | Self::Behind { .. }
            | Self::WentBack { .. }
            | Self::Unconfirmed => Code::Unavailable,
            Self::Sealing(SealingError::Open | SealingError::Random)
            | Self::Record(_)
            | Self::Ca(_)
            | Self::Seal(_)
            | Self::Backup(_)
            | Self::Tls(_)
            | Self::Key(_)
            | Self::Line(_)
            | Self::Broken(_) => Code::Internal,
        }
    }
}

fn of_store(error: &StoreError) -> Code {
    match error {
        StoreError::Conflict { .. } | StoreError::TooLate => Code::Aborted,
        StoreError::Unavailable(_)
        | StoreError::WentBack { .. }
        | StoreError::Refused { .. }
        | StoreError::SessionEnded
        | StoreError::InUse { .. }
        | StoreError::File { .. } => Code::Unavailable,
        StoreError::TooLarge { .. }
        | StoreError::Invalid(_)
        | StoreError::Settings { .. }
        | StoreError::Missing { .. }
        | StoreError::Exposed { .. }
        | StoreError::Corrupt(_) => Code::Internal,
    }
}

/// Nothing may happen that the log does not have, and it may have room again soon.
fn of_audit(error: &AuditError) -> Code {
    match error {
        AuditError::Write { .. } | AuditError::Closed | AuditError::Random(_) => Code::Unavailable,
        AuditError::Open { .. }
        | AuditError::InUse { .. }
        | AuditError::Broken { .. }
        | AuditError::TooLarge { .. } => Code::Internal,
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// What the secrets that people carry begin with.
const SECRETS: [&str; 6] = [
    "catapi1_",
    "catjoin1_",
    "catkey1_",
    "cat1_",
    "catd1_",
    "catmaster1_",
];

/// Text from outside, fit for a message: short, without control characters, and no secret that was given in place of a name.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    if SECRETS.iter().any(|prefix| text.contains(prefix)) {
        return "(a secret, not shown)".to_owned();
    }
    let escaped: String = text
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    match text.chars().nth(LONGEST) {
        Some(_) => escaped + "…",
        None => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_in_here_stays_in_here() {
        let inside = [
            Failure::Store(StoreError::Corrupt("epoch/1 is gone".into())),
            Failure::Broken("no active epoch"),
        ];
        for failure in inside {
            let status = failure.into_status("abc");
            assert_eq!(status.code(), Code::Internal);
            assert!(!status.message().contains("epoch"), "{status:?}");
            assert!(status.message().contains("abc"));
        }
        let full = Failure::Audit(AuditError::Closed).into_status("abc");
        assert_eq!(full.code(), Code::Unavailable);
        assert!(full.message().contains("try again"));
    }

    #[test]
    fn what_may_have_happened_is_not_to_be_tried_again_blindly() {
        let op = crate::records::Hex([0xab; 16]);
        let unknown = ChangeError::Unknown {
            op,
            source: StoreError::Unavailable("disk 7 is gone".into()),
        };
        let unrecorded = ChangeError::Unrecorded {
            op,
            source: AuditError::Closed,
        };
        for error in [unknown, unrecorded] {
            let status = Failure::from(error).into_status("abc");
            assert_eq!(status.code(), Code::Unavailable);
            let said = status.message();
            assert!(said.contains("look before trying again"), "{said}");
            assert!(said.contains(&op.to_string()) && said.contains("abc"));
            assert!(!said.contains("disk 7"), "{said}");
        }
    }

    #[test]
    fn text_from_outside_cannot_draw_on_a_terminal() {
        assert_eq!(shown("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
        assert_eq!(shown(&"x".repeat(81)).chars().count(), 81);
    }

    #[test]
    fn a_secret_in_place_of_a_name_is_not_shown() {
        for prefix in SECRETS {
            for text in [format!("{prefix}AAECAw"), format!(" user/{prefix}AAECAw")] {
                assert!(!shown(&text).contains("AAECAw"), "{text}");
            }
        }
        assert_eq!(shown("cat1"), "cat1");
    }
}
