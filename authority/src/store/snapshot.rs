use tonic::async_trait;

use super::{Page, Revision, StoreError};

/// The store as it was at one revision, to be read in peace while it changes.
///
/// It is for reading once from end to end: a store keeps what it replaces for as long as it can, or as this lives.
pub struct Snapshot {
    revision: Revision,
    source: Box<dyn SnapshotSource>,
}

impl Snapshot {
    /// What `source` has of `revision`.
    #[must_use]
    pub fn new(revision: Revision, source: impl SnapshotSource) -> Self {
        Self {
            revision,
            source: Box::new(source),
        }
    }

    /// The revision that all of it is of.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The next entries whose keys begin with `prefix` and come after the key `after`, as [`Store::list`](super::Store::list).
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`: the store cannot be asked, or has forgotten how it was. Take another snapshot.
    pub async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, StoreError> {
        self.source.list(prefix, after).await
    }
}

/// What is behind a [`Snapshot`], in each kind of store.
#[async_trait]
pub trait SnapshotSource: Send + Sync + 'static {
    /// As [`Snapshot::list`].
    ///
    /// # Errors
    ///
    /// [`StoreError`], never `Conflict`.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, StoreError>;
}
