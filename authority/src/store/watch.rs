use thiserror::Error;
use tonic::async_trait;

use super::{Entry, Revision, StoreError};

/// What one transaction changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The store's revision after it.
    pub revision: Revision,
    /// All that it changed below the watched prefix.
    pub changes: Vec<Change>,
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is a new value.
    Put(Entry),
    /// There is nothing any more.
    Deleted {
        /// Where there is nothing.
        key: String,
    },
}

impl Change {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Deleted { key } => key,
        }
    }
}

/// Why a watch ended.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The store has forgotten changes that were not told yet: list everything, and watch from there.
    #[error("the store has forgotten changes that this watch has not seen")]
    Compacted,
    /// The store tells no more.
    #[error("the store cannot be watched")]
    Lost(#[source] StoreError),
}

/// Tells what changes below a prefix, in the order in which it happened, nothing twice and nothing left out.
///
/// A connection that breaks is made anew, and the watch goes on from where it was.
pub struct Watch(Box<dyn WatchSource>);

impl Watch {
    /// A watch that tells what `source` does.
    #[must_use]
    pub fn new(source: impl WatchSource) -> Self {
        Self(Box::new(source))
    }

    /// Waits for the next transaction that changed something below the prefix. Nothing is lost when this is dropped.
    ///
    /// # Errors
    ///
    /// [`WatchError`]: this watch is over.
    pub async fn next(&mut self) -> Result<Changes, WatchError> {
        self.0.next().await
    }
}

/// What is behind a [`Watch`], in each kind of store.
#[async_trait]
pub trait WatchSource: Send + 'static {
    /// As [`Watch::next`].
    ///
    /// # Errors
    ///
    /// [`WatchError`].
    async fn next(&mut self) -> Result<Changes, WatchError>;
}
