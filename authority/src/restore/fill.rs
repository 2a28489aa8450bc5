//! Filling an empty store: what is written before the last step is no cluster, and goes when somebody begins anew.

use std::sync::Arc;

use super::RestoreError;
use crate::backup::Item;
use crate::records::key;
use crate::store::{
    MAX_OPERATIONS, MAX_TRANSACTION, Revision, Session, Store, StoreError, Transaction, list_all,
};
use crate::timing::SESSION;

/// Is there while a restore is at work: it ends with its session.
const LOCK: &str = "restore/lock";
/// Is there from the first step of a restore to its last: what lies beside it is no cluster.
pub(crate) const UNFINISHED: &str = "restore/unfinished";

/// Room for the last transaction's own changes, and those that the audit log adds.
const BATCH: usize = MAX_OPERATIONS - 1;

/// A store that is being filled.
pub(super) struct Filling {
    store: Arc<dyn Store>,
    /// Ends when this is dropped.
    _session: Session,
    lock: Revision,
    waiting: Vec<Item>,
    bytes: usize,
}

impl Filling {
    /// Takes a store that is empty, or in which a restore was cut off; what that one left is removed.
    pub(super) async fn begin(store: Arc<dyn Store>) -> Result<Self, RestoreError> {
        let unfinished = store.get(UNFINISHED).await?;
        let first = store.list("", None, 1).await?.entries.pop();
        if let Some(found) = store.get(key::CLUSTER).await?.or(first)
            && (unfinished.is_none() || found.key == key::CLUSTER)
        {
            return Err(RestoreError::NotEmpty { key: found.key });
        }
        let session = store.open_session(SESSION).await?;
        let transaction = Transaction::new()
            .absent(key::CLUSTER)
            .absent(LOCK)
            .put_in_session(LOCK, "", session.id())
            .put(UNFINISHED, "");
        let transaction = match &unfinished {
            Some(entry) => transaction.unchanged(UNFINISHED, entry.revision),
            None => transaction.absent(UNFINISHED),
        };
        let lock = store.commit(transaction).await?;
        let filling = Self {
            store,
            _session: session,
            lock,
            waiting: Vec::new(),
            bytes: 0,
        };
        if unfinished.is_some() {
            filling.clear().await?;
        }
        Ok(filling)
    }

    /// Stores an entry, at the latest with the next one that does not fit.
    pub(super) async fn put(&mut self, item: Item) -> Result<(), RestoreError> {
        let bytes = item.key.len() + item.value.len();
        if self.waiting.len() >= BATCH || self.bytes + bytes > MAX_TRANSACTION {
            self.flush().await?;
        }
        self.bytes += bytes;
        self.waiting.push(item);
        Ok(())
    }

    /// Stores what waits.
    pub(super) async fn flush(&mut self) -> Result<(), RestoreError> {
        self.bytes = 0;
        let items = std::mem::take(&mut self.waiting).into_iter();
        let transaction = items.fold(self.resting(), |transaction, item| {
            transaction.put(item.key, item.value)
        });
        self.commit(transaction).await
    }

    /// The transaction that ends it: with what is added to it, the cluster is there.
    pub(super) fn last(&self) -> Transaction {
        self.resting()
            .absent(key::CLUSTER)
            .delete(LOCK)
            .delete(UNFINISHED)
    }

    async fn clear(&self) -> Result<(), RestoreError> {
        let all = list_all(&*self.store, "").await?;
        let left = all.into_iter().map(|entry| entry.key);
        let left: Vec<String> = left
            .filter(|key| key != LOCK && key != UNFINISHED)
            .collect();
        for some in left.chunks(BATCH) {
            let transaction = some.iter().fold(self.resting(), |transaction, key| {
                transaction.delete(key.as_str())
            });
            self.commit(transaction).await?;
        }
        Ok(())
    }

    fn resting(&self) -> Transaction {
        Transaction::new().unchanged(LOCK, self.lock)
    }

    /// Each step can be made twice, so it is made again where its answer was lost.
    async fn commit(&self, transaction: Transaction) -> Result<(), RestoreError> {
        match self.store.commit(transaction.clone()).await {
            Err(StoreError::Unavailable(_)) => self.store.commit(transaction).await,
            other => other,
        }?;
        Ok(())
    }
}
