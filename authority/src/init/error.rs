use std::io;
use std::path::PathBuf;

use cattery_core::NameError;
use thiserror::Error;

use crate::audit::{AuditError, ChangeError};
use crate::ca::CaError;
use crate::config::ConfigError;
use crate::seal::SealError;
use crate::store::StoreError;

/// Why there is no new cluster.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// There is a cluster already.
    #[error("{} already holds a cluster: start it with `cattery-authority`, or choose another directory", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },

    /// There is a store or an audit log, and no configuration.
    #[error("{} is there, but no authority.toml: if it is a cluster's, restore its authority.toml; otherwise move it away", path.display())]
    Leftover {
        /// What is there.
        path: PathBuf,
    },

    /// There is something in etcd already.
    #[error(
        "etcd already holds a cluster below {prefix}: choose another prefix; or, if nobody needs that cluster, remove it first (etcdctl del --prefix {prefix}). To add an authority to it, see docs/operating.md"
    )]
    Taken {
        /// The prefix.
        prefix: String,
    },

    /// The cluster is in etcd, and its first authority is not in place.
    #[error(
        "the cluster is made in etcd below {prefix}, but not its first authority: remove the cluster again (etcdctl del --prefix {prefix}), and run `init` anew"
    )]
    Unfinished {
        /// The prefix.
        prefix: String,
        /// What failed.
        #[source]
        source: Box<Self>,
    },

    /// Another `init` or `restore` is at work.
    #[error("another `init` or `restore` is at work in {}", dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },

    /// Others may write to the directory.
    #[error("others may write to {} (mode {mode:04o}): chmod 700 it", dir.display())]
    Exposed {
        /// The directory.
        dir: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// A file cannot be made.
    #[error("cannot {what} {}: this user needs the right to, and space on the disk; or choose another --dir", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },

    /// The first operator's name.
    #[error("the operator's name is not as it has to be (up to 63 of a-z 0-9 . _ -)")]
    Operator(#[source] NameError),

    /// An option that `authority.toml` cannot hold.
    #[error(transparent)]
    Config(#[from] ConfigError),

    /// The CA or the operator's certificate cannot be made.
    #[error(transparent)]
    Ca(#[from] CaError),

    /// The store cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),

    /// The store cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The audit log cannot be made.
    #[error(transparent)]
    Audit(#[from] AuditError),

    /// The first records cannot be written.
    #[error(transparent)]
    Change(#[from] ChangeError),
}
