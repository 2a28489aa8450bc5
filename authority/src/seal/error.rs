use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::store::StoreError;

/// Why something cannot be sealed or opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The key file or passphrase does not unwrap this cluster's master key.
    #[error(
        "the {method} does not open this store (cluster {cluster_id}): it is a wrong one, or the store is another cluster's; {remedy}"
    )]
    Wrong {
        /// `key file` or `passphrase`.
        method: &'static str,
        /// The cluster of the store.
        cluster_id: String,
        /// What to do.
        remedy: &'static str,
    },

    /// The cluster is sealed with something else.
    #[error(
        "this store (cluster {cluster_id}) is sealed with a {sealed_with}, not a {given}: correct [unseal] in authority.toml"
    )]
    OtherMethod {
        /// The cluster of the store.
        cluster_id: String,
        /// What it takes.
        sealed_with: &'static str,
        /// What was there.
        given: &'static str,
    },

    /// There is no cluster in the store.
    #[error("the store holds no cluster: run `cattery init` first")]
    NoCluster,

    /// A value does not open.
    #[error(
        "the value at `{path}` does not open: it was changed, moved, or belongs to another cluster; restore a backup"
    )]
    Opened {
        /// Where it is.
        path: String,
    },

    /// What the store says about its sealing cannot be.
    #[error("`meta/seal` in the store is damaged: {0}; restore a backup")]
    Meta(&'static str),

    /// A key file that is none.
    #[error("{} is not a key file: {why}", path.display())]
    KeyFile {
        /// Where it is.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },

    /// A key file that others can read.
    #[error("the key file {} can be read by others (mode {mode:04o}): chmod 600 it, and think about who may have read it", path.display())]
    Exposed {
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// A key file that cannot be read or made.
    #[error("cannot {what} the key file {}: {}", path.display(), remedy(source))]
    File {
        /// `read` or `make`.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },

    /// What holds no passphrase.
    #[error("no passphrase can be taken from {from}: {why}")]
    NoPassphrase {
        /// Where it was looked for.
        from: String,
        /// What is wrong, and what to do.
        why: &'static str,
    },

    /// A passphrase that cannot be read.
    #[error("cannot read a passphrase from {from}: it has to be there, and readable for this user")]
    PassphraseInput {
        /// Where from.
        from: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },

    /// A passphrase file that others can read.
    #[error("the passphrase file {} can be read by others (mode {mode:04o}): chmod 600 it, and think about who may have read it", path.display())]
    ExposedPassphrase {
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// A passphrase that would be guessed.
    #[error("the passphrase is too short: take {least} characters or more")]
    ShortPassphrase {
        /// The least length.
        least: usize,
    },

    /// No memory for a key.
    #[error(transparent)]
    Memory(#[from] cattery_locked::LockError),

    /// No randomness.
    #[error("the system gives no randomness")]
    Random(#[source] getrandom::Error),

    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The work was cut off: the program is ending, or is out of memory.
    #[error("sealing was cut off")]
    Interrupted,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "name the right place, or restore the file that `cattery init` made"
        }
        io::ErrorKind::PermissionDenied => {
            "give it to the user that runs this, or run as its owner"
        }
        io::ErrorKind::AlreadyExists => "something is there; name another place",
        _ => "repair the disk, or name another place",
    }
}
