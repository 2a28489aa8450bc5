//! The embedded store beyond what every store has to do: its file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use cattery_authority::store::{Embedded, Store, StoreError, Transaction, WatchError, list_all};
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

use crate::store_conformance::conforms;
use crate::support::{child_dir, embedded, limit_files, open_store, open_when_free, spawn_child};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_conforms() {
    let dir = TempDir::new().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    conforms(|| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let store = Embedded::create(dir.path().join(number.to_string())).unwrap();
        async { Arc::new(store) as Arc<dyn Store> }
    })
    .await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let dir = TempDir::new().unwrap();
    let revision = embedded(&dir)
        .commit(Transaction::new().put("a", "1"))
        .await
        .unwrap();
    let store = embedded(&dir);
    let entry = store.get("a").await.unwrap().unwrap();
    assert_eq!(
        (entry.value.as_slice(), entry.revision),
        (&b"1"[..], revision)
    );
    assert_eq!(
        store
            .commit(Transaction::new().put("b", "1"))
            .await
            .unwrap(),
        revision + 1
    );
}

#[tokio::test]
async fn sessions_end_when_it_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let session = store.open_session(Duration::from_secs(60)).await.unwrap();
    let put = Transaction::new()
        .put("stays", "1")
        .put_in_session("goes", "1", session.id());
    let before = store.commit(put).await.unwrap();
    // As where the process was killed.
    let _never_dropped = std::mem::ManuallyDrop::new(session);
    drop(store);
    let store = embedded(&dir);
    assert!(store.get("goes").await.unwrap().is_none());
    assert!(store.get("stays").await.unwrap().is_some());
    assert!(store.commit(Transaction::new()).await.unwrap() > before);
    drop(store);
    let store = embedded(&dir);
    assert_eq!(
        store.commit(Transaction::new()).await.unwrap(),
        before + 1,
        "nothing is left to remove"
    );
    let mut watch = store.watch("", before).await.unwrap();
    assert!(
        matches!(watch.next().await, Err(WatchError::Compacted)),
        "what was before is forgotten"
    );
}

#[tokio::test]
async fn one_at_a_time_can_open_it() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let path = dir.path().join("store.redb");
    let error = Embedded::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("stop the other one"));
    drop(store);
    open_store(&path);
}

#[test]
fn its_file_is_the_owners_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("s");
    drop(Embedded::create(&path).unwrap());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = Embedded::open(&path).err().unwrap();
    assert!(
        matches!(error, StoreError::Exposed { mode: 0o640, .. }),
        "{error}"
    );
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("s");
    let error = Embedded::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    for content in [Vec::new(), b"not a database".to_vec(), vec![0; 100_000]] {
        fs::write(&path, &content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = Embedded::open(&path).err().unwrap();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), content);
        assert!(
            matches!(Embedded::create(&path), Err(StoreError::File { .. })),
            "nothing is overwritten"
        );
    }
}

/// Damage of every kind, in a file that was closed well, which redb trusts.
#[test]
fn a_damaged_file_is_refused_or_still_good() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("s");
    runtime.block_on(async {
        let store = Embedded::create(&path).unwrap();
        for i in 0..100 {
            let put = Transaction::new().put(format!("k/{i}"), vec![7; 10 * i]);
            store.commit(put).await.unwrap();
        }
    });
    let good = fs::read(&path).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut refused = 0;
    for round in 0..150 {
        let mut bytes = good.clone();
        // The beginning says where everything else is.
        let end = if round % 3 == 0 { 512 } else { used };
        for _ in 0..random.random_range(1..=8) {
            bytes[random.random_range(0..end)] ^= random.random_range(1..=255_u8);
        }
        if round % 10 == 0 {
            bytes.truncate(random.random_range(1..used));
        }
        fs::write(&path, &bytes).unwrap();
        let read = runtime.block_on(async {
            let store = open_when_free(&path)?;
            store.commit(Transaction::new().put("new", "value")).await?;
            list_all(&store, "").await
        });
        match read {
            Ok(entries) => assert!(entries.iter().any(|entry| entry.key == "new")),
            Err(error) => {
                refused += 1;
                let said = error.to_string();
                assert!(
                    said.contains("restore a backup") && !said.contains("panicked"),
                    "round {round}: {said} ({error:?})"
                );
                assert!(
                    said.contains(path.to_str().unwrap()) && !said.contains('\n'),
                    "{said}"
                );
            }
        }
    }
    assert!(refused > 0);
}

/// The limit on the size of files stands in for a full disk.
#[test]
fn a_full_disk_refuses_and_the_store_goes_on_afterwards() {
    if let Some(dir) = child_dir() {
        return tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(on_a_full_disk(&dir));
    }
    let dir = TempDir::new().unwrap();
    let test = "store::a_full_disk_refuses_and_the_store_goes_on_afterwards";
    let output = spawn_child(test, dir.path(), "trap '' XFSZ;")
        .wait_with_output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(dir.path().join("reached").exists(), "the child did not run");
}

async fn on_a_full_disk(dir: &std::path::Path) {
    let path = dir.join("store.redb");
    let store = Embedded::create(&path).unwrap();
    let put = |i: u32| store.commit(Transaction::new().put(format!("k/{i}"), vec![7; 100_000]));
    limit_files(Some(fs::metadata(&path).unwrap().len() + 500_000));
    let mut written = 0;
    while put(written).await.is_ok() {
        written += 1;
    }
    for i in 0..3 {
        assert!(matches!(
            put(1000 + i).await,
            Err(StoreError::Unavailable(_))
        ));
    }
    for i in 0..written {
        assert!(
            store.get(&format!("k/{i}")).await.unwrap().is_some(),
            "{i} of {written} is lost"
        );
    }
    limit_files(None);
    put(2000).await.unwrap();
    drop(store);
    let store = open_store(&path);
    let keys = cattery_authority::store::list_all(&store, "")
        .await
        .unwrap();
    assert!(keys.len() > written as usize);
    assert!(store.get("k/2000").await.unwrap().is_some());
    fs::write(dir.join("reached"), "").unwrap();
}
