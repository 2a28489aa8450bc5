use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why the audit log could not be written or trusted. What was to be recorded must then not happen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It cannot be written.
    #[error("the audit log {} cannot be written, so nothing that has to be in it can happen: make space or repair the disk", path.display())]
    Write {
        /// The log.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: std::sync::Arc<io::Error>,
    },

    /// It cannot be opened or read.
    #[error("the audit log {} cannot be opened or read: it and its folder have to be the running user's, on a disk that works and has space", path.display())]
    Open {
        /// The log.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },

    /// Another process writes it.
    #[error("another process is writing the audit log {}: only one authority with this id can run; stop the other one", path.display())]
    InUse {
        /// The log.
        path: PathBuf,
    },

    /// It was changed, or damaged.
    #[error("the audit log {} is not as it was written: {problem}. Restore it from a copy; or keep it as evidence, move it away, and start once with `--accept-audit-loss`", path.display())]
    Broken {
        /// The log.
        path: PathBuf,
        /// What is wrong and where.
        problem: String,
    },

    /// A record beyond the limit.
    #[error("a record of {size} bytes is too large for the audit log: {limit} is the most")]
    TooLarge {
        /// How large it is.
        size: usize,
        /// The greatest size.
        limit: u64,
    },

    /// The writer has ended.
    #[error("the audit log is closed: the program is ending")]
    Closed,

    /// No randomness for an operation's id.
    #[error("the system gives no randomness")]
    Random(#[source] getrandom::Error),
}
