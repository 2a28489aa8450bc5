//! Stores that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cattery_authority::store::{
    Entry, Page, Revision, Session, Snapshot, Store, StoreError, Transaction, Watch,
};
use tonic::async_trait;

pub(crate) type Committed = Result<Revision, StoreError>;

/// What becomes of a commit on its way to a store.
#[async_trait]
pub(crate) trait Commits: Send + Sync + 'static {
    async fn commit(&self, inner: &dyn Store, changes: Transaction) -> Committed;
}

/// A store that is as good as its inner one, but for its commits.
pub(crate) struct Through<C> {
    inner: Arc<dyn Store>,
    pub(crate) commits: C,
}

impl<C> Through<C> {
    pub(crate) fn new(inner: Arc<dyn Store>, commits: C) -> Arc<Self> {
        Arc::new(Self { inner, commits })
    }
}

#[async_trait]
impl<C: Commits> Store for Through<C> {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.inner.get(key).await
    }

    async fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.inner.get_all(keys).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.inner.snapshot().await
    }

    async fn commit(&self, transaction: Transaction) -> Committed {
        self.commits.commit(&*self.inner, transaction).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        self.inner.watch(prefix, after).await
    }

    async fn open_session(&self, ttl: Duration) -> Result<Session, StoreError> {
        self.inner.open_session(ttl).await
    }
}

/// A store that fails in a chosen way.
pub(crate) struct Faulty {
    pub(crate) inner: Arc<dyn Store>,
    /// Commits take effect and then say that they are not known to have.
    pub(crate) lose_answers: AtomicBool,
    /// Commits of changes do nothing and say so; 0 is never.
    pub(crate) refuse: AtomicU32,
    /// Nothing is answered at all.
    pub(crate) down: AtomicBool,
    pub(crate) delay: Duration,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            lose_answers: AtomicBool::new(false),
            refuse: AtomicU32::new(0),
            down: AtomicBool::new(false),
            delay: Duration::ZERO,
        })
    }

    fn up(&self) -> Result<(), StoreError> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("down".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.up()?;
        self.inner.get(key).await
    }

    async fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.up()?;
        self.inner.get_all(keys).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.up()?;
        self.inner.list(prefix, after, limit).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.up()?;
        self.inner.snapshot().await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        tokio::time::sleep(self.delay).await;
        self.up()?;
        let refused = self
            .refuse
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if refused.is_ok() {
            return Err(StoreError::Unavailable("refused".into()));
        }
        let result = self.inner.commit(transaction).await;
        if self.lose_answers.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the answer got lost".into()));
        }
        result
    }
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        self.up()?;
        self.inner.watch(prefix, after).await
    }

    async fn open_session(&self, ttl: Duration) -> Result<Session, StoreError> {
        self.up()?;
        self.inner.open_session(ttl).await
    }
}
