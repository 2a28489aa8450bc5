//! A store whose operations are counted and timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cattery_meters::{Counter, Histogram, REMOTE, label};
use tonic::async_trait;

use super::{Entry, Page, Revision, Session, Snapshot, Store, StoreError, Transaction, Watch};

/// What is counted and timed.
pub(crate) struct StoreMeters {
    pub(crate) operations: Counter<(StoreOperation, StoreResult)>,
    pub(crate) duration: Histogram<StoreOperation>,
}

impl Default for StoreMeters {
    fn default() -> Self {
        Self {
            operations: Counter::new(
                "cattery_authority_store_operations",
                "What the store was asked, by what came of it",
            ),
            duration: Histogram::new(
                "cattery_authority_store_operation_duration_seconds",
                "How long the store took to answer",
                REMOTE,
            ),
        }
    }
}

/// What the store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreOperation {
    Get,
    List,
    Snapshot,
    Commit,
    Compact,
    Watch,
    OpenSession,
}

label!(
    StoreOperation, "operation",
    Get => "get",
    List => "list",
    Snapshot => "snapshot",
    Commit => "commit",
    Compact => "compact",
    Watch => "watch",
    OpenSession => "open_session",
);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreResult {
    Ok,
    /// Somebody else was first: it is decided anew.
    Conflict,
    /// The store does not do that: nothing happened.
    Refused,
    /// It cannot be reached or written, or is not what it was.
    Unavailable,
}

label!(StoreResult, "result", Ok => "ok", Conflict => "conflict", Refused => "refused", Unavailable => "unavailable");

impl StoreResult {
    fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Conflict,
            error if error.nothing_happened() => Self::Refused,
            _ => Self::Unavailable,
        }
    }
}

/// The store behind it, counted.
pub(crate) struct Metered {
    inner: Arc<dyn Store>,
    meters: Arc<StoreMeters>,
}

impl Metered {
    pub(crate) fn new(inner: Arc<dyn Store>, meters: Arc<StoreMeters>) -> Self {
        Self { inner, meters }
    }

    async fn count<T>(
        &self,
        operation: StoreOperation,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let answer = work.await;
        let result = answer
            .as_ref()
            .map_or_else(StoreResult::of, |_| StoreResult::Ok);
        self.meters.operations.add((operation, result));
        self.meters.duration.observe(operation, began.elapsed());
        answer
    }
}

#[async_trait]
impl Store for Metered {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.count(StoreOperation::Get, self.inner.get(key)).await
    }

    async fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        let work = self.inner.get_all(keys);
        self.count(StoreOperation::Get, work).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let work = self.inner.list(prefix, after, limit);
        self.count(StoreOperation::List, work).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.count(StoreOperation::Snapshot, self.inner.snapshot())
            .await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        let work = self.inner.commit(transaction);
        self.count(StoreOperation::Commit, work).await
    }

    async fn compact(&self) -> Result<(), StoreError> {
        self.count(StoreOperation::Compact, self.inner.compact())
            .await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        let work = self.inner.watch(prefix, after);
        self.count(StoreOperation::Watch, work).await
    }

    async fn open_session(&self, ttl: Duration) -> Result<Session, StoreError> {
        let work = self.inner.open_session(ttl);
        self.count(StoreOperation::OpenSession, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Embedded;

    #[tokio::test]
    async fn what_the_store_says_is_counted_and_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let inner: Arc<dyn Store> = Arc::new(Embedded::create(dir.path().join("s")).unwrap());
        let meters = Arc::<StoreMeters>::default();
        let store = Metered::new(inner, meters.clone());
        store
            .commit(Transaction::new().absent("a").put("a", "1"))
            .await
            .unwrap();
        let again = store.commit(Transaction::new().absent("a").put("a", "2"));
        assert!(matches!(again.await, Err(StoreError::Conflict { .. })));
        assert_eq!(store.get("a").await.unwrap().unwrap().value, b"1");
        let count = |operation, result| meters.operations.count((operation, result));
        assert_eq!(count(StoreOperation::Commit, StoreResult::Ok), 1);
        assert_eq!(count(StoreOperation::Commit, StoreResult::Conflict), 1);
        assert_eq!(count(StoreOperation::Get, StoreResult::Ok), 1);
    }
}
