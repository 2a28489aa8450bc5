//! Sessions of processes that stop, and of ones that do not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cattery_authority::store::{
    Etcd as EtcdStore, EtcdOptions, EtcdTimeouts, Store as _, StoreError, Transaction,
};
use cattery_tests::etcd::{Etcd, Version};
use cattery_tests::wait;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{put, store, value};
use crate::support::{child_dir, spawn_child};

/// etcd grants no less.
const TTL: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_its_ttl_while_its_process_runs() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::start(Version::V3_4, dir.path()).await.unwrap();
    let store = store(&etcd, "/c/").await;
    let session = store.open_session(TTL).await.unwrap();
    let here = Transaction::new().put_in_session("session", "1", session.id());
    store.commit(here).await.unwrap();
    // A lease that nobody renews is the clock.
    let mut client = etcd.client().await.unwrap();
    let seconds = 3 * TTL.as_secs().cast_signed();
    let clock = client.lease_grant(seconds, None).await.unwrap().id();
    let with_clock = etcd_client::PutOptions::new().with_lease(clock);
    client.put("/c/clock", "1", Some(with_clock)).await.unwrap();
    wait::until_async("three times the ttl", || async {
        Ok(store.get("clock").await?.is_none().then_some(()))
    })
    .await
    .unwrap();
    assert!(session.is_live());
    assert!(value(&store, "session").await.unwrap().is_some());
    session.close().await;
    assert!(value(&store, "session").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_lost_when_its_etcd_is() {
    let dir = TempDir::new().unwrap();
    let mut etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
    let store = store(&etcd, "/c/").await;
    let session = store.open_session(TTL).await.unwrap();
    etcd.kill(0).unwrap();
    session.ended().await;
    assert!(!session.is_live());
    etcd.spawn(0).unwrap();
    etcd.answers().await.unwrap();
    assert!(!session.is_live(), "what was lost stays so");
    let late = Transaction::new().put_in_session("late", "1", session.id());
    wait::until_async("the lease runs out", || async {
        match store.commit(late.clone()).await {
            Err(StoreError::SessionEnded) => Ok(Some(())),
            _ => Ok(None),
        }
    })
    .await
    .unwrap();
}

/// The child opens a session, and is frozen.
#[test]
fn a_session_ends_when_its_process_is_frozen() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(dir) = child_dir() {
        return runtime.block_on(holds_a_session(&dir));
    }
    runtime.block_on(async {
        let dir = TempDir::new().unwrap();
        let etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
        let store = store(&etcd, "/c/").await;
        let endpoint = etcd.endpoints().remove(0);
        fs::write(dir.path().join("endpoint"), endpoint).unwrap();
        let test = "store_etcd::sessions::a_session_ends_when_its_process_is_frozen";
        let mut child = spawn_child(test, dir.path(), "");
        let id = Pid::from_raw(child.id().cast_signed()).unwrap();
        wait::until_async("the child's session", || async {
            Ok(store.get("child").await?.map(drop))
        })
        .await
        .unwrap();
        kill_process(id, Signal::STOP).unwrap();
        wait::until_async("its end", || async {
            Ok(store.get("child").await?.is_none().then_some(()))
        })
        .await
        .unwrap();
        put(&store, "goes on", "1").await.unwrap();
        kill_process(id, Signal::CONT).unwrap();
        assert!(child.wait().unwrap().success());
        assert!(dir.path().join("noticed").exists(), "the child did not run");
        assert!(value(&store, "late").await.unwrap().is_none());
    });
}

async fn holds_a_session(dir: &Path) {
    let store = EtcdStore::connect(EtcdOptions {
        endpoints: vec![fs::read_to_string(dir.join("endpoint")).unwrap()],
        prefix: "/c/".to_owned(),
        tls: None,
        user: None,
        timeouts: EtcdTimeouts::default(),
    })
    .await
    .unwrap();
    let session = store.open_session(TTL).await.unwrap();
    let here = Transaction::new().put_in_session("child", "1", session.id());
    let revision = store.commit(here).await.unwrap();
    session.ended().await;
    assert!(!session.is_live());
    let late = Transaction::new()
        .unchanged("child", revision)
        .put("late", "1");
    let error = store.commit(late).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    fs::write(dir.join("noticed"), "").unwrap();
}
