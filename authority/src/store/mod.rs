//! Where a cluster's state lives: one small trait, and the stores that implement it.
//!
//! Keys are paths (`service/photos`), values are bytes. Every change of the store has a [`Revision`] that only goes up; every
//! entry knows the one of its last change, so a transaction can rest on what was read: compare, then write, all or nothing.

mod boottime;
mod embedded;
mod error;
mod etcd;
mod metered;
mod mirror;
mod session;
mod snapshot;
mod transaction;
mod watch;

use std::time::Duration;

use tonic::async_trait;

pub use boottime::BootTime;
pub use embedded::Embedded;
pub use error::StoreError;
pub(crate) use etcd::check_prefix;
pub use etcd::{Etcd, EtcdCertificate, EtcdOptions, EtcdTimeouts, EtcdTls, EtcdUser};
pub(crate) use metered::{Metered, StoreMeters};
#[cfg(test)]
pub(crate) use metered::{StoreOperation, StoreResult};
pub use mirror::{MIRROR_PERIOD, Mirror, View};
pub use session::{Session, SessionId};
pub use snapshot::{Snapshot, SnapshotSource};
pub use transaction::{Check, Operation, Transaction};
pub use watch::{Change, Changes, Watch, WatchError, WatchSource};

/// Goes up with every transaction that changes something. 0 is before the first one. A store that others use too counts
/// their changes as well.
pub type Revision = u64;

/// The longest key, bytes.
pub const MAX_KEY: usize = 512;
/// The longest value, bytes. etcd refuses requests above 1.5 MiB.
pub const MAX_VALUE: usize = 256 * 1024;
/// The most checks and operations in one transaction, counted together. etcd refuses more than 128.
pub const MAX_OPERATIONS: usize = 64;
/// The most bytes of keys and values in one transaction. etcd refuses requests above 1.5 MiB.
pub const MAX_TRANSACTION: usize = 1024 * 1024;
/// The most entries in one page of a list.
pub const MAX_PAGE: usize = 1000;
/// The most bytes of keys and values in one page, unless it has a single entry.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// A key, its value, and when it last changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path.
    pub key: String,
    /// What is stored there; values that are secret are sealed before they come here.
    pub value: Vec<u8>,
    /// The revision of its last change.
    pub revision: Revision,
}

/// Values can be long and are mostly not text.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Entry({:?}, {} bytes, revision {})",
            self.key,
            self.value.len(),
            self.revision
        )
    }
}

/// Some entries in the order of their keys' bytes, as they all were at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// As many as were asked for, or as fit.
    pub entries: Vec<Entry>,
    /// Whether there are more behind them.
    pub more: bool,
    /// The store's revision when they were read.
    pub revision: Revision,
}

/// A store of paths and bytes with transactions.
///
/// What was answered is durable, and every later call sees it, whoever makes it: reads are linearizable. A future that is
/// dropped may or may not have had its effect.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The entry at `key`, or `None`.
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// What is at several keys, in their order, as it all was at one moment. For short entries: an answer has room for [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`; [`StoreError::TooLarge`] for more than [`MAX_OPERATIONS`] keys.
    async fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError>;

    /// Up to `limit` entries (at most [`MAX_PAGE`], and [`MAX_PAGE_BYTES`]) whose keys begin with `prefix` and come after the
    /// key `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// All of the store as it is now, to be read while it changes.
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`.
    async fn snapshot(&self) -> Result<Snapshot, StoreError>;

    /// Makes every change of the transaction if every check of it holds, as one step. Answers the store's revision after it.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Conflict`]: a check did not hold; nothing was changed.
    /// - [`StoreError::TooLarge`], [`StoreError::Invalid`]: the transaction is not one; nothing was changed.
    /// - [`StoreError::Refused`], [`StoreError::SessionEnded`]: nothing was changed.
    /// - [`StoreError::Unavailable`]: it is not known whether it happened.
    async fn commit(&self, transaction: Transaction) -> Result<Revision, StoreError>;

    /// Forgets what entries held before now, for a secret that was deleted: watches and snapshots of before may end. Does nothing where
    /// nobody can ask for the past; what is free in the store's file is overwritten in time.
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`.
    async fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Tells all that changes below `prefix` after the revision `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError>;

    /// Opens a session that ends `ttl` after this process was last able to renew it. etcd counts whole seconds, and takes no
    /// less than a few of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`.
    async fn open_session(&self, ttl: Duration) -> Result<Session, StoreError>;
}

/// Every entry whose key begins with `prefix`, page by page. Not one snapshot: entries can change between pages.
///
/// # Errors
///
/// As [`Store::list`].
pub async fn list_all(store: &dyn Store, prefix: &str) -> Result<Vec<Entry>, StoreError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map(|entry| entry.key.clone());
        let page = store.list(prefix, after.as_deref(), MAX_PAGE).await?;
        all.extend(page.entries);
        if !page.more {
            return Ok(all);
        }
    }
}
