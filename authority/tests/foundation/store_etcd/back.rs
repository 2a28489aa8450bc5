//! An etcd that was put back to an older state underneath those who use it.

use cattery_authority::audit::{ChangeError, Changes};
use cattery_authority::store::StoreError;
use cattery_tests::etcd::{Etcd, Version};
use tempfile::TempDir;

use super::{put, store, value};
use crate::logged::{start, unsettled};
use crate::support::{NOW_MS, event, open_audit};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_any_more_of_an_etcd_that_went_back() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("snapshot");
    let mut etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
    let minded = cattery_authority::store::Etcd::connect(etcd.options("/c/").unwrap());
    let minded = std::sync::Arc::new(minded.await.unwrap());
    let used: std::sync::Arc<dyn cattery_authority::store::Store> = minded.clone();
    let idle = store(&etcd, "/c/").await;
    put(&used, "a", "1").await.unwrap();
    etcd.save_snapshot(&file).await.unwrap();
    put(&idle, "a", "2").await.unwrap();
    assert_eq!(value(&used, "a").await.unwrap().unwrap(), "2");
    etcd.put_back_snapshot(&file).await.unwrap();

    let error = value(&used, "a").await.unwrap_err();
    assert!(matches!(error, StoreError::WentBack { .. }), "{error}");
    assert!(error.to_string().contains("`cattery restore`"), "{error}");
    minded.went_back().await;
    for _ in 0..2 {
        let error = put(&used, "b", "1").await.unwrap_err();
        assert!(matches!(error, StoreError::WentBack { .. }), "{error}");
    }
    let error = put(&idle, "b", "1").await.unwrap_err();
    assert!(matches!(error, StoreError::WentBack { .. }), "{error}");
    // Whoever comes now knows nothing of it.
    let new = store(&etcd, "/c/").await;
    assert_eq!(value(&new, "a").await.unwrap().unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_does_not_start_on_an_etcd_that_its_log_has_seen_further_on() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("snapshot");
    let mut etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
    let change = |key: &str| cattery_authority::store::Transaction::new().put(key, "1");
    let changes = start(&dir, store(&etcd, "/c/").await).await;
    changes.apply(event("a"), change("a")).await.unwrap();
    etcd.save_snapshot(&file).await.unwrap();
    // One that changes nothing itself.
    let other = idle(&dir, &etcd).await;
    other.settle(NOW_MS).await.unwrap();
    other.audit().append(event("started")).await.unwrap();
    changes.apply(event("b"), change("b")).await.unwrap();
    other.mark(NOW_MS).await.unwrap();
    drop((changes, other));
    etcd.put_back_snapshot(&file).await.unwrap();
    for changes in [
        unsettled(&dir, store(&etcd, "/c/").await),
        idle(&dir, &etcd).await,
    ] {
        let error = changes.settle(NOW_MS).await.unwrap_err();
        assert!(matches!(error, ChangeError::OldStore { .. }), "{error}");
        assert!(error.to_string().contains("`cattery restore`"), "{error}");
    }
}

/// An authority beside the one whose changes are looked at.
async fn idle(dir: &TempDir, etcd: &Etcd) -> Changes {
    let (audit, dangling) = open_audit(dir.path(), "authority-2");
    Changes::new(store(etcd, "/c/").await, audit, dangling, 1)
}
