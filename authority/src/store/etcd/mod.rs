//! A store that several authorities share: etcd, version 3.4 or later.

mod connection;
mod failure;
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

use super::transaction::check_key;
use super::{Entry, Page, Revision, Session, Store, StoreError, Transaction, Watch};

pub use options::{EtcdCertificate, EtcdOptions, EtcdTimeouts, EtcdTls, EtcdUser};

/// The store of a cluster in etcd, below a prefix.
///
/// All reads are linearizable. One connection serves everything; when its member fails to answer, the next one is taken. A
/// commit is sent a second time only where the first certainly did not happen.
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
}

#[async_trait]
impl Store for Etcd {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        check_key(key)?;
        let (keys, full) = (self.connections.keys(), self.connections.keys().full(key));
        let answer = self.connections.call(Repeat::Freely, |client| {
            let (mut kv, full) = (client.kv_client(), full.clone());
            async move { kv.get(full, None).await }
        });
        let found = answer.await?.take_kvs().into_iter().next();
        found.map(|found| page::entry(keys, found)).transpose()
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        page::list(&self.connections, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        transaction.validate()?;
        txn::commit(&self.connections, &transaction).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        Ok(watch::start(self.connections.clone(), prefix, after))
    }

    async fn open_session(&self, ttl: Duration) -> Result<Session, StoreError> {
        session::open(self.connections.clone(), ttl).await
    }
}

/// etcd counts in signed numbers that are never negative.
fn revision(number: i64) -> Revision {
    number.unsigned_abs()
}
