//! A store that several authorities share: etcd, version 3.4 or later.

mod connection;
mod failure;
mod forward;
mod keys;
mod options;
mod page;
mod session;
mod txn;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tonic::async_trait;

use connection::{Connections, Repeat};
use etcd_client::{CompactionOptions, Error};

use super::transaction::{check_key, check_keys};
use super::{
    Entry, MAX_PAGE, Page, Revision, Session, Snapshot, SnapshotSource, Store, StoreError,
    Transaction, Watch,
};

pub use options::{EtcdCertificate, EtcdOptions, EtcdTimeouts, EtcdTls, EtcdUser};

/// The store of a cluster in etcd, below a prefix.
///
/// All reads are linearizable. One connection serves everything; when its member fails to answer, the next one is taken. A
/// commit is sent a second time only where the first certainly did not happen. An answer from an earlier revision than one before
/// is the end: etcd was put back to an older state.
pub struct Etcd {
    connections: Arc<Connections>,
}

impl Etcd {
    /// Connects, to whichever member answers first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Settings`], [`StoreError::Refused`] (a login that is not taken, say), or
    /// [`StoreError::Unavailable`].
    pub async fn connect(options: EtcdOptions) -> Result<Self, StoreError> {
        let etcd = Self {
            connections: Arc::new(Connections::new(options)?),
        };
        etcd.list("", None, 1).await?;
        Ok(etcd)
    }

    /// Returns when etcd was put back to an older state underneath. Every call is refused from then on.
    pub fn went_back(&self) -> impl Future<Output = ()> + Send + 'static {
        self.connections.forward().went_back().cancelled_owned()
    }
}

#[async_trait]
impl Store for Etcd {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        check_key(key)?;
        let (keys, full) = (self.connections.keys(), self.connections.keys().full(key));
        let before = self.connections.forward().before()?;
        let answer = self.connections.call(Repeat::Freely, |client| {
            let (mut kv, full) = (client.kv_client(), full.clone());
            async move { kv.get(full, None).await }
        });
        let mut answer = answer.await?;
        self.connections.forward().after(before, answer.header())?;
        let found = answer.take_kvs().into_iter().next();
        found.map(|found| page::entry(keys, found)).transpose()
    }

    async fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        check_keys(keys)?;
        txn::read(&self.connections, keys).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        page::list(&self.connections, prefix, after, limit, None).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let revision = txn::commit(&self.connections, &Transaction::new()).await?;
        let at = At {
            connections: self.connections.clone(),
            revision,
        };
        Ok(Snapshot::new(revision, at))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        transaction.validate()?;
        txn::commit(&self.connections, &transaction).await
    }

    async fn compact(&self) -> Result<(), StoreError> {
        let now = txn::commit(&self.connections, &Transaction::new()).await?;
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let answer = self.connections.call(Repeat::Freely, |client| {
            let mut kv = client.kv_client();
            let options = CompactionOptions::new().with_physical();
            async move {
                match kv.compact(now, Some(options)).await {
                    // Somebody else did, or this call did before its answer was lost.
                    Err(Error::GRpcStatus(said)) if said.message().contains("been compacted") => {
                        Ok(())
                    }
                    other => other.map(drop),
                }
            }
        });
        answer.await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        Ok(watch::start(self.connections.clone(), prefix, after))
    }

    async fn open_session(&self, ttl: Duration) -> Result<Session, StoreError> {
        session::open(self.connections.clone(), ttl).await
    }
}

/// Refuses what no key of a cluster can begin with.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), String> {
    keys::Keys::below(prefix).map(drop)
}

/// etcd as it was at a revision, until that is compacted.
struct At {
    connections: Arc<Connections>,
    revision: Revision,
}

#[async_trait]
impl SnapshotSource for At {
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, StoreError> {
        let at = Some(self.revision);
        page::list(&self.connections, prefix, after, MAX_PAGE, at).await
    }
}

/// etcd counts in signed numbers that are never negative.
fn revision(number: i64) -> Revision {
    number.unsigned_abs()
}
