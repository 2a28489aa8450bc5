//! Members that die, hang or forget.

use std::sync::Arc;
use std::time::Duration;

use cattery_authority::store::{
    BootTime, Etcd as EtcdStore, Store, StoreError, Transaction, WatchError,
};
use cattery_tests::etcd::{Etcd, Version, expect_unavailable};
use cattery_tests::wait;
use tempfile::TempDir;

use super::{impatient, is, put, store, told, value};
use crate::store_mirror::{self, fresh, mirror, values};

/// Commits of which it is not known whether they happened are made again.
async fn put_at_last(store: &Arc<dyn Store>, value: &str) {
    wait::until_async("a commit", || async {
        match put(store, "k", value).await {
            Ok(_) => Ok(Some(())),
            Err(StoreError::Unavailable(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_member_serves_when_the_one_in_use_dies() {
    let dir = TempDir::new().unwrap();
    let mut etcd = Etcd::cluster(Version::V3_4, dir.path(), 3).await.unwrap();
    let store = store(&etcd, "/c/").await;
    let start = put(&store, "k", "0").await.unwrap();
    let mut watch = store.watch("", start).await.unwrap();
    put(&store, "k", "1").await.unwrap();
    assert_eq!(told(&mut watch).await.unwrap(), is("k", "1"));

    // The store begins with the first one.
    etcd.kill(0).unwrap();
    assert_eq!(value(&store, "k").await.unwrap().unwrap(), "1");
    put_at_last(&store, "2").await;
    while told(&mut watch).await.unwrap() != is("k", "2") {}

    etcd.spawn(0).unwrap();
    etcd.answers().await.unwrap();
    let leader = etcd.leader().await.unwrap();
    etcd.kill(leader).unwrap();
    put_at_last(&store, "3").await;
    assert_eq!(value(&store, "k").await.unwrap().unwrap(), "3");
    while told(&mut watch).await.unwrap() != is("k", "3") {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_hangs_is_left_for_another_one() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::cluster(Version::V3_5, dir.path(), 3).await.unwrap();
    let store = store(&etcd, "/c/").await;
    let start = put(&store, "k", "0").await.unwrap();
    let mut watch = store.watch("", start).await.unwrap();
    put(&store, "k", "1").await.unwrap();
    assert_eq!(told(&mut watch).await.unwrap(), is("k", "1"));
    etcd.freeze(0).unwrap();
    put_at_last(&store, "2").await;
    while told(&mut watch).await.unwrap() != is("k", "2") {}
    assert_eq!(value(&store, "k").await.unwrap().unwrap(), "2");
    etcd.thaw(0).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_after_its_member_was_killed_and_came_back() {
    let dir = TempDir::new().unwrap();
    let mut etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
    let store = store(&etcd, "/c/").await;
    let start = put(&store, "k", "0").await.unwrap();
    let mut watch = store.watch("", start).await.unwrap();
    let mut late = store.watch("", start).await.unwrap();
    put(&store, "k", "1").await.unwrap();
    assert_eq!(told(&mut watch).await.unwrap(), is("k", "1"));
    for value in ["2", "3"] {
        etcd.kill(0).unwrap();
        etcd.spawn(0).unwrap();
        etcd.answers().await.unwrap();
        put(&store, "k", value).await.unwrap();
        assert_eq!(told(&mut watch).await.unwrap(), is("k", value));
    }
    for value in ["1", "2", "3"] {
        assert_eq!(told(&mut late).await.unwrap(), is("k", value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_it_is_unavailable_and_comes_back_by_itself() {
    let dir = TempDir::new().unwrap();
    let mut etcd = Etcd::cluster(Version::V3_4, dir.path(), 3).await.unwrap();
    let options = impatient(etcd.options("/c/").unwrap());
    let store: Arc<dyn Store> = Arc::new(EtcdStore::connect(options).await.unwrap());
    let start = put(&store, "k", "0").await.unwrap();
    let mut watch = store.watch("", start).await.unwrap();
    etcd.kill(1).unwrap();
    etcd.kill(2).unwrap();
    expect_unavailable(value(&store, "k").await).unwrap();
    expect_unavailable(put(&store, "lost", "?").await).unwrap();
    expect_unavailable(store.list("", None, 1).await).unwrap();
    let session = store.open_session(Duration::from_secs(9)).await;
    expect_unavailable(session.map(|session| session.id())).unwrap();

    etcd.spawn(2).unwrap();
    put_at_last(&store, "1").await;
    assert_eq!(value(&store, "k").await.unwrap().unwrap(), "1");
    while told(&mut watch).await.unwrap() != is("k", "1") {}
}

/// A commit that cannot be sent is sent later, but not when it is too late.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_member_is_not_sent_too_late() {
    let dir = TempDir::new().unwrap();
    let mut etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
    let store = store(&etcd, "/c/").await;
    etcd.kill(0).unwrap();
    // Finds out that nobody is there: from now on commits wait for a connection.
    expect_unavailable(put(&store, "k", "lost").await).unwrap();
    let until = BootTime::now().after(Duration::from_millis(500));
    let late = Transaction::new().put("k", "late").only_until(until);
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(late).await }
    });
    while !until.is_past() {
        tokio::task::yield_now().await;
    }
    etcd.spawn(0).unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    let nothing = matches!(error, StoreError::TooLate | StoreError::Unavailable(_));
    assert!(nothing, "{error:?}");
    etcd.answers().await.unwrap();
    assert_ne!(value(&store, "k").await.unwrap().as_deref(), Some("late"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_what_is_forgotten_says_so() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::start(Version::V3_4, dir.path()).await.unwrap();
    let store = store(&etcd, "/c/").await;
    let start = put(&store, "k", "0").await.unwrap();
    for value in ["1", "2", "3"] {
        put(&store, "k", value).await.unwrap();
    }
    etcd.compact().await.unwrap();
    let mut watch = store.watch("", start).await.unwrap();
    let error = told(&mut watch).await.unwrap_err();
    assert!(matches!(error, WatchError::Compacted), "{error:?}");
}

/// The mirror's member dies, the others go on and forget, and it comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_lists_anew_what_etcd_has_forgotten() {
    let dir = TempDir::new().unwrap();
    let mut etcd = Etcd::cluster(Version::V3_5, dir.path(), 3).await.unwrap();
    let others = store(&etcd, "/c/").await;
    let mut options = etcd.options("/c/").unwrap();
    options.endpoints.truncate(1);
    let first: Arc<dyn Store> = Arc::new(EtcdStore::connect(options).await.unwrap());
    others
        .commit(store_mirror::put("a/1", "old"))
        .await
        .unwrap();
    let mirror = mirror(&first, &["a/"]);
    assert_eq!(values(&*fresh(&mirror).await), [("a/1", "old")].into());

    etcd.kill(0).unwrap();
    for value in ["1", "2", "new"] {
        wait::until_async("a commit", || async {
            Ok(others.commit(store_mirror::put("a/1", value)).await.ok())
        })
        .await
        .unwrap();
    }
    wait::until_async("compaction", || async { Ok(etcd.compact().await.ok()) })
        .await
        .unwrap();
    etcd.spawn(0).unwrap();
    assert_eq!(values(&*fresh(&mirror).await), [("a/1", "new")].into());
    let revision = others
        .commit(store_mirror::put("a/1", "newer"))
        .await
        .unwrap();
    let view = tokio::time::timeout(store_mirror::PATIENCE, mirror.at_least(revision))
        .await
        .unwrap();
    assert_eq!(values(&view), [("a/1", "newer")].into());
}

#[tokio::test]
async fn what_is_deleted_and_compacted_is_in_no_history() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
    let store = EtcdStore::connect(etcd.options("/c/").unwrap());
    let store = store.await.unwrap();
    let put = Transaction::new().put("root/1", "sealed");
    let there = i64::try_from(store.commit(put).await.unwrap()).unwrap();
    store
        .commit(Transaction::new().delete("root/1"))
        .await
        .unwrap();
    let mut client = etcd.client().await.unwrap();
    let mut before = async || {
        let then = etcd_client::GetOptions::new().with_revision(there);
        client.get("/c/root/1", Some(then)).await
    };
    assert_eq!(before().await.unwrap().kvs().len(), 1, "history has it");
    for _ in 0..2 {
        store.compact().await.unwrap();
    }
    let error = before().await.unwrap_err().to_string();
    assert!(error.contains("compacted"), "{error}");
}
