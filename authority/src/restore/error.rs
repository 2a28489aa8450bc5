use std::path::PathBuf;

use cattery_core::NameError;
use cattery_core::epoch::Refused;
use thiserror::Error;

use crate::audit::{AuditError, ChangeError};
use crate::backup::BackupError;
use crate::ca::CaError;
use crate::config::ConfigError;
use crate::init::InitError;
use crate::records::{FORMAT, RecordError};
use crate::seal::SealError;
use crate::store::StoreError;

/// Why a backup was not restored. There is no cluster then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The backup's store has another layout.
    #[error(
        "the backup is of a store of the format {found}, and this version reads {FORMAT}: restore it with the version that made it"
    )]
    Format {
        /// The backup's.
        found: u32,
    },

    /// Nobody said what happened since the backup.
    #[error(
        "without the audit log of {} it cannot be known what was revoked since the backup: whoever was disabled, evicted or revoked since would have access \
         again. Give each authority's log with `--audit-log FILE`; or, where one is lost, go on with `--without-audit-log` and revoke again what you know of",
        names(authorities)
    )]
    NoAuditLog {
        /// The ids of those whose log is missing.
        authorities: Vec<String>,
    },

    /// A log that nobody can say whose it is.
    #[error("{} is not the audit log of any authority that the backup knows, nor named ID.log for the authority ID that wrote it", path.display())]
    OthersLog {
        /// The file.
        path: PathBuf,
    },

    /// Two logs of one authority.
    #[error("{} is a second audit log of the authority `{authority_id}`: give one of each, the longest", path.display())]
    SecondLog {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        authority_id: String,
    },

    /// A log that was changed.
    #[error("the audit log {} is not as it was written: {problem}. Give an intact copy; or, to go on with what is intact, add `--accept-audit-loss`", path.display())]
    BrokenLog {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        problem: String,
    },

    /// A file of settings for another cluster.
    #[error(
        "authority.toml is of cluster {config} (trust domain {config_domain}), and the backup is of {backup} (trust domain {backup_domain}): give those that belong together"
    )]
    OtherCluster {
        /// The cluster of the configuration.
        config: String,
        /// Its trust domain.
        config_domain: String,
        /// The cluster of the backup.
        backup: String,
        /// Its trust domain.
        backup_domain: String,
    },

    /// The store is not empty.
    #[error(
        "the store already holds `{key}`: a backup goes into an empty one; choose another prefix, or remove all below this one if it is not needed"
    )]
    NotEmpty {
        /// Something that is there.
        key: String,
    },

    /// Another restore is at work, or its place was taken.
    #[error(
        "another `cattery restore` is at work in this store, or this one was held up for too long: run it again when nothing else does"
    )]
    Busy,

    /// Nobody could administer the cluster.
    #[error(
        "no admin is left whose certificate is good, so nobody could administer the cluster: add `--operator NAME`, which makes one"
    )]
    NoAdmin,

    /// The new operator's name.
    #[error("the operator's name is not as it has to be (up to 63 of a-z 0-9 . _ -)")]
    Operator(#[source] NameError),

    /// There is no number above.
    #[error(transparent)]
    Numbers(#[from] Refused),

    /// There is no incarnation above.
    #[error("the incarnation {0} is the last that there can be: correct --above-incarnation")]
    Incarnations(u64),

    /// The backup cannot be used.
    #[error(transparent)]
    Backup(#[from] BackupError),

    /// The directory cannot be used.
    #[error(transparent)]
    Place(#[from] InitError),

    /// The cluster is in etcd, and its authority is not in place.
    #[error(
        "the cluster is restored in etcd below {prefix}, but not its authority: remove the cluster again (etcdctl del --prefix {prefix}), and restore anew"
    )]
    Unfinished {
        /// The prefix.
        prefix: String,
        /// What failed.
        #[source]
        source: InitError,
    },

    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),

    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),

    /// A root key cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),

    /// The new operator's certificate cannot be made.
    #[error(transparent)]
    Ca(#[from] CaError),

    /// An audit log cannot be read or written.
    #[error(transparent)]
    Audit(#[from] AuditError),

    /// The last step failed.
    #[error(transparent)]
    Change(#[from] ChangeError),

    /// The store did not do what it was asked.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } | StoreError::SessionEnded => Self::Busy,
            other => Self::Store(other),
        }
    }
}

fn names(ids: &[String]) -> String {
    match ids {
        [] => "every authority".to_owned(),
        ids => ids.join(", "),
    }
}
