//! Where a backup goes: from either kind of store into the other, and nothing before all of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cattery_authority::backup::Backup;
use cattery_authority::config::Unseal;
use cattery_authority::init::STORE_FILE;
use cattery_authority::records::{ClusterRecord, Record as _, key};
use cattery_authority::restore::{RestoreError, RestoreOptions, Settings, prepare};
use cattery_authority::seal::unseal;
use cattery_authority::store::{MAX_OPERATIONS, Store, StoreError, Transaction, list_all};
use cattery_tests::etcd::{Etcd, Version};
use tempfile::TempDir;
use tonic::async_trait;

use crate::backup::{key_file, made, written};
use crate::faults::{Commits, Committed, Through};
use crate::store_etcd::store as etcd_store;
use crate::support::{NOW, embedded, open_store};

/// A cluster with enough in it for several transactions, stopped, and its backup.
async fn source(dir: &TempDir) -> PathBuf {
    let (store, sealer) = made(dir.path()).await;
    for first in (0..200).step_by(MAX_OPERATIONS) {
        let some = (first..first + MAX_OPERATIONS).fold(Transaction::new(), |t, i| {
            t.put(format!("ca/more-{i:03}"), "{}")
        });
        store.commit(some).await.unwrap();
    }
    let path = dir.path().join("a.backup");
    written(&*store, &sealer, &path).await;
    path
}

async fn options(
    from: &Path,
    backup: &Path,
    dir: &Path,
    store: Option<Arc<dyn Store>>,
) -> RestoreOptions {
    let backup = Backup::open(backup).unwrap();
    let sealer = backup.unseal(key_file(from)).await.unwrap();
    let unseal = Unseal::KeyFile(from.join("unseal.key"));
    let settings = Settings::new_directory(backup.header(), dir, unseal, None, |_| {});
    RestoreOptions {
        settings: settings.unwrap(),
        sealer,
        audit_logs: vec![from.join("authority/audit/authority-1.log")],
        without_audit_log: false,
        accept_audit_loss: false,
        above_epoch: 0,
        above_incarnation: 0,
        operator: None,
        store,
        now: NOW,
        backup,
    }
}

async fn restore(options: RestoreOptions) -> Result<(), RestoreError> {
    prepare(options).await?.finish().await.map(drop)
}

/// All that is there, but for what an authority's changes leave behind.
async fn keys(store: &dyn Store) -> Vec<String> {
    let all = list_all(store, "").await.unwrap().into_iter();
    let keys = all.map(|entry| entry.key);
    keys.filter(|key| !key.starts_with("op/")).collect()
}

async fn incarnation(store: &dyn Store) -> u64 {
    let entry = store.get(key::CLUSTER).await.unwrap().unwrap();
    let cluster = ClusterRecord::decode(key::CLUSTER, &entry.value).unwrap();
    cluster.incarnation
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_embedded_store_to_etcd_and_back() {
    let dir = TempDir::new().unwrap();
    let backup = source(&dir).await;
    let etcd = Etcd::start(Version::V3_4, dir.path()).await.unwrap();
    let store = etcd_store(&etcd, "/restored/").await;
    let home = dir.path().join("on etcd");
    restore(options(dir.path(), &backup, &home, Some(store.clone())).await)
        .await
        .unwrap();
    assert!(!home.join(STORE_FILE).exists());
    assert_eq!(incarnation(&*store).await, 2);
    let there = keys(&*store).await;
    let first = dir.path().join("authority");
    let before = keys(&open_store(&first.join(STORE_FILE))).await;
    let expected = |key: &String| !key.ends_with("/0000000001") || key.starts_with("epoch/");
    let mut expected: Vec<String> = before.into_iter().filter(expected).collect();
    expected.extend(["epoch/0000000002", "root/0000000002"].map(str::to_owned));
    expected.sort();
    assert_eq!(there, expected);
    let error = restore(
        options(
            dir.path(),
            &backup,
            &dir.path().join("x"),
            Some(store.clone()),
        )
        .await,
    )
    .await
    .unwrap_err();
    assert!(
        matches!(&error, RestoreError::NotEmpty { key } if key == key::CLUSTER),
        "{error}"
    );

    let sealer = unseal(&*store, key_file(dir.path())).await.unwrap();
    let second = dir.path().join("b.backup");
    written(&*store, &sealer, &second).await;
    let back = dir.path().join("back");
    let mut options = options(dir.path(), &second, &back, None).await;
    options.audit_logs = vec![home.join("audit/authority-1.log")];
    restore(options).await.unwrap();
    let store = open_store(&back.join(STORE_FILE));
    assert_eq!(incarnation(&store).await, 3);
    assert_eq!(keys(&store).await.len(), there.len() + 1, "one epoch more");
}

/// A store that goes away after so many commits.
struct Ending(AtomicU32);

#[async_trait]
impl Commits for Ending {
    async fn commit(&self, inner: &dyn Store, changes: Transaction) -> Committed {
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        match left {
            Ok(_) => inner.commit(changes).await,
            Err(_) => Err(StoreError::Unavailable("gone".into())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_it_is_cut_off_there_is_no_cluster_and_the_next_one_makes_it() {
    let dir = TempDir::new().unwrap();
    let backup = source(&dir).await;
    let whole = {
        let place = TempDir::new().unwrap();
        let store = embedded(&place);
        restore(
            options(
                dir.path(),
                &backup,
                &place.path().join("home"),
                Some(store.clone()),
            )
            .await,
        )
        .await
        .unwrap();
        keys(&*store).await
    };
    let mut cut = 0;
    loop {
        let place = TempDir::new().unwrap();
        let (store, home) = (embedded(&place), place.path().join("home"));
        let ending = Through::new(store.clone(), Ending(AtomicU32::new(cut)));
        let done = restore(options(dir.path(), &backup, &home, Some(ending)).await).await;
        if done.is_ok() {
            break;
        }
        assert!(
            store.get(key::CLUSTER).await.unwrap().is_none(),
            "after {cut}"
        );
        assert!(!home.join("authority.toml").exists(), "after {cut}");
        // Somebody else's is never removed.
        let error = restore(
            options(
                dir.path(),
                &backup,
                &dir.path().join("authority"),
                Some(store.clone()),
            )
            .await,
        );
        assert!(matches!(error.await, Err(RestoreError::Place(_))));
        restore(options(dir.path(), &backup, &home, Some(store.clone())).await)
            .await
            .unwrap();
        assert_eq!(keys(&*store).await, whole, "after {cut}");
        cut += 1;
    }
    assert!(cut > 6, "{cut}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_holds_anything_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let backup = source(&dir).await;
    let place = TempDir::new().unwrap();
    let (store, home) = (embedded(&place), place.path().join("home"));
    store
        .commit(Transaction::new().put("precious", "1"))
        .await
        .unwrap();
    let error = restore(options(dir.path(), &backup, &home, Some(store.clone())).await).await;
    assert!(matches!(error, Err(RestoreError::NotEmpty { key }) if key == "precious"));
    assert_eq!(keys(&*store).await, ["precious"]);

    // Two at the same time.
    let other = TempDir::new().unwrap();
    let store = embedded(&other);
    let at = |name: &str| other.path().join(name);
    let first = prepare(options(dir.path(), &backup, &at("a"), Some(store.clone())).await)
        .await
        .unwrap();
    let second = restore(options(dir.path(), &backup, &at("b"), Some(store.clone())).await).await;
    assert!(matches!(second, Err(RestoreError::Busy)), "{second:?}");
    first.finish().await.unwrap();
    assert_eq!(incarnation(&*store).await, 2);
}
