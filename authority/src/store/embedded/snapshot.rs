//! The embedded store as it was: one read transaction, which sees nothing that is written later.

use std::ops::Bound;
use std::sync::Arc;

use redb::ReadTransaction;
use tonic::async_trait;

use super::super::{MAX_PAGE, Page, SnapshotSource, StoreError};
use super::file::{DatabaseFile, unavailable};
use super::read_page;

pub(super) struct Reading {
    pub(super) file: Arc<DatabaseFile>,
    pub(super) transaction: Arc<ReadTransaction>,
}

#[async_trait]
impl SnapshotSource for Reading {
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let (file, transaction) = (self.file.clone(), self.transaction.clone());
        let read = move || {
            let from = match after.as_deref().filter(|after| *after >= prefix.as_str()) {
                Some(after) => Bound::Excluded(after),
                None => Bound::Included(prefix.as_str()),
            };
            file.look(|| read_page(&transaction, &prefix, from, MAX_PAGE))
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(unavailable)?
    }
}
