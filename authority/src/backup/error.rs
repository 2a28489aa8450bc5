use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::records::RecordError;
use crate::seal::SealError;
use crate::store::StoreError;

/// Why there is no backup, or it cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is something at the place of the new file.
    #[error("{} is there already: name another file, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },

    /// The file cannot be read or written.
    #[error("cannot {what} {}: it needs to be there or have space, and this user the right to", path.display())]
    File {
        /// `read`, `make` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },

    /// What the authority sent did not come to its end.
    #[error("the backup ended before its last line, so nothing was kept: run it again")]
    Unfinished,

    /// Not a backup.
    #[error("{} is not a backup that `cattery backup` made: name another file", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
    },

    /// It is of a newer form.
    #[error("{} has the form {found} of version {version}, and this version reads {known}: use the newer version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: u32,
        /// Who made it.
        version: String,
        /// What this version reads.
        known: u32,
    },

    /// It is not what was written.
    #[error("{} is not as it was made: {why}. Nothing of it is used; take another backup", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        why: String,
    },

    /// The key file or passphrase is another cluster's.
    #[error("the {method} does not open {}, which is of cluster {cluster_id}: give the one that this cluster is sealed with", path.display())]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// `key file` or `passphrase`.
        method: &'static str,
        /// The cluster of the backup.
        cluster_id: String,
    },

    /// The cluster is sealed with something else.
    #[error("{} is of a cluster that is sealed with a {sealed_with}, not a {given}: give that", path.display())]
    OtherMethod {
        /// The file.
        path: PathBuf,
        /// What it takes.
        sealed_with: &'static str,
        /// What was given.
        given: &'static str,
    },

    /// The store lacks what every cluster has.
    #[error("the store holds no whole cluster: `{key}` is not there")]
    NoCluster {
        /// What is missing.
        key: &'static str,
    },

    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),

    /// What the store says about its sealing cannot be, or there is no memory for a key.
    #[error(transparent)]
    Seal(#[from] SealError),

    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
