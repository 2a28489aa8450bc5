//! The store on real etcds: what every store has to do, and what only a server on the network can get wrong.

mod access;
mod back;
mod failover;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cattery_authority::store::{
    Change, Etcd as EtcdStore, EtcdOptions, EtcdTimeouts, Store, StoreError, Transaction, Watch,
    WatchError,
};
use cattery_tests::etcd::{Etcd, Version};
use tempfile::TempDir;

use crate::store_conformance::conforms;
use crate::store_mirror::PATIENCE;

/// A store below a prefix, in an etcd of the harness.
pub(crate) async fn store(etcd: &Etcd, prefix: &str) -> Arc<dyn Store> {
    let options = etcd.options(prefix).unwrap();
    Arc::new(EtcdStore::connect(options).await.unwrap())
}

/// Where nothing answers, that is known sooner.
pub(crate) fn impatient(mut options: EtcdOptions) -> EtcdOptions {
    options.timeouts = EtcdTimeouts {
        attempt: Duration::from_millis(500),
        call: Duration::from_secs(1),
    };
    options
}

async fn put(store: &Arc<dyn Store>, key: &str, value: &str) -> Result<u64, StoreError> {
    store.commit(Transaction::new().put(key, value)).await
}

async fn value(store: &Arc<dyn Store>, key: &str) -> Result<Option<String>, StoreError> {
    let entry = store.get(key).await?;
    Ok(entry.map(|entry| String::from_utf8(entry.value).unwrap()))
}

/// What a watch says next, of one change.
async fn told(watch: &mut Watch) -> Result<(String, Option<String>), WatchError> {
    let changes = tokio::time::timeout(PATIENCE, watch.next())
        .await
        .unwrap()?;
    Ok(match &changes.changes[..] {
        [Change::Put(entry)] => (
            entry.key.clone(),
            Some(String::from_utf8(entry.value.clone()).unwrap()),
        ),
        [Change::Deleted { key }] => (key.clone(), None),
        other => panic!("one change, and not {other:?}"),
    })
}

fn is(key: &str, value: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(value.to_owned()))
}

async fn each_below_a_prefix_of_its_own(etcd: &Etcd) {
    let count = AtomicU32::new(0);
    conforms(|| {
        let prefix = format!("/conforms/{}/", count.fetch_add(1, Ordering::Relaxed));
        async move { store(etcd, &prefix).await }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_3_4_conforms() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::start(Version::V3_4, dir.path()).await.unwrap();
    each_below_a_prefix_of_its_own(&etcd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_3_5_with_tls_and_a_login_conforms() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::new(Version::V3_5, dir.path(), 1)
        .and_then(Etcd::with_tls)
        .unwrap();
    let mut etcd = etcd.started().await.unwrap();
    etcd.require_login("authority", "its password", "/conforms/")
        .await
        .unwrap();
    each_below_a_prefix_of_its_own(&etcd).await;
}

#[tokio::test]
async fn two_clusters_in_one_etcd_do_not_see_each_other() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
    let (one, other) = (store(&etcd, "/c/1/").await, store(&etcd, "/c/10/").await);
    let before = put(&one, "k", "one").await.unwrap();
    let mut watch = one.watch("", before).await.unwrap();
    put(&other, "k", "other").await.unwrap();
    put(&other, "more", "other").await.unwrap();
    assert_eq!(value(&one, "k").await.unwrap().unwrap(), "one");
    assert_eq!(value(&one, "more").await.unwrap(), None);
    let page = one.list("", None, 9).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    put(&one, "k", "two").await.unwrap();
    assert_eq!(told(&mut watch).await.unwrap(), is("k", "two"));
    let page = other.list("", None, 9).await.unwrap();
    assert_eq!(page.entries.len(), 2);
}
