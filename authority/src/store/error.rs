use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Revision;

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else changed what the transaction rests on. Nothing happened: read again, decide again.
    #[error("`{key}` was changed by someone else in the meantime")]
    Conflict {
        /// The first key whose check did not hold.
        key: String,
    },

    /// Beyond a limit of the store. Nothing happened.
    #[error("the {what} is too large for the store: {size}, and {limit} is the most")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        size: usize,
        /// The greatest size.
        limit: usize,
    },

    /// It was decided by the clock, and too long ago. Nothing happened: read again, decide again.
    #[error("too much time went by between the decision and its transaction")]
    TooLate,

    /// Not a transaction. Nothing happened. A bug of this program.
    #[error("not a transaction: {0}")]
    Invalid(&'static str),

    /// The store does not do that now. Nothing happened.
    #[error("the store refused: {what}; {remedy}")]
    Refused {
        /// What it said.
        what: String,
        /// What to do.
        remedy: &'static str,
    },

    /// The session that the transaction puts something in is over. Nothing happened.
    #[error("the session in the store has ended: open another one")]
    SessionEnded,

    /// What the store is to be reached with is wrong.
    #[error("{setting}: {problem}")]
    Settings {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it, and what to do.
        problem: String,
    },

    /// There is no store at that place.
    #[error("there is no store at {}: run `cattery init` first, or correct the directory", path.display())]
    Missing {
        /// The place.
        path: PathBuf,
    },

    /// Another process has the store open.
    #[error("another process is using the store at {}: only one authority at a time can; stop the other one", path.display())]
    InUse {
        /// The place.
        path: PathBuf,
    },

    /// The file's permissions let others read it.
    #[error("{} can be read by others (mode {mode:04o}): chmod 600 it, and think about who may have read it", path.display())]
    Exposed {
        /// The place.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// The file cannot be opened or made.
    #[error("cannot {what} the store at {}: {}", path.display(), remedy(source))]
    File {
        /// `open` or `make`.
        what: &'static str,
        /// The place.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },

    /// The store has not any more what it had.
    #[error(
        "the store went back from revision {from} to {to}: it was put back to an older state underneath. What agents hold and what was revoked since would come apart: stop every authority, and restore a backup with `cattery restore`"
    )]
    WentBack {
        /// What it had answered.
        from: Revision,
        /// What it answers now.
        to: Revision,
    },

    /// The store cannot be reached or written. Of a commit it is not known whether it happened.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The store answered what it cannot have stored.
    #[error("the store is damaged: {0}; restore a backup")]
    Corrupt(String),
}

impl StoreError {
    /// Whether it is certain that a transaction that failed with this did not happen, and never will.
    #[must_use]
    pub fn nothing_happened(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::TooLarge { .. }
            | Self::TooLate
            | Self::Invalid(_)
            | Self::Refused { .. }
            | Self::SessionEnded
            | Self::Settings { .. }
            | Self::Missing { .. }
            | Self::InUse { .. }
            | Self::Exposed { .. }
            | Self::File { .. } => true,
            Self::Unavailable(_) | Self::WentBack { .. } | Self::Corrupt(_) => false,
        }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as the user that owns it, or give it to this one",
        io::ErrorKind::AlreadyExists => "something is there; choose another place",
        io::ErrorKind::NotFound => "there is no such folder; make it, or choose another place",
        io::ErrorKind::StorageFull => "make space on the disk",
        _ => "repair the disk, or restore a backup elsewhere",
    }
}
