//! Changes of the store and the log that goes with them: whatever fails in between, the two agree in the end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cattery_authority::audit::{ChangeError, log_path};
use cattery_authority::store::{Store, StoreError, Transaction, list_all};
use tempfile::TempDir;
use tonic::async_trait;

use crate::faults::{Commits, Committed, Faulty, Through};
use crate::logged::{ID, log, put, start, start_in};
use crate::support::{NOW_MS, child_dir, embedded, embedded_in, event, limit_files, spawn_child};

async fn ops(store: &Arc<dyn Store>) -> usize {
    list_all(&**store, "op/").await.unwrap().len()
}

#[tokio::test]
async fn a_change_is_an_intent_a_transaction_and_an_outcome() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let changes = start(&dir, store.clone()).await;
    let revision = changes.apply(event("a"), put("a")).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap().revision, revision);
    let conflict = changes.apply(event("a"), put("a")).await.unwrap_err();
    assert!(matches!(conflict, ChangeError::Conflict { key } if key == "a"));
    assert_eq!(
        log(&dir),
        ["intent", "outcome done", "intent", "outcome not_done"]
    );
    assert!(changes.verify().await.unwrap().dangling.is_empty());

    for i in 0..20 {
        changes
            .apply(event("b"), put(&format!("b/{i}")))
            .await
            .unwrap();
    }
    assert_eq!(
        ops(&store).await,
        1,
        "old ones go with the next transaction"
    );
    drop(changes);
    start(&dir, store.clone()).await;
    assert_eq!(ops(&store).await, 0);
}

#[tokio::test]
async fn what_is_no_transaction_leaves_no_trace() {
    let dir = TempDir::new().unwrap();
    let changes = start(&dir, embedded(&dir)).await;
    let too_many = (0..62).fold(Transaction::new(), |t, i| t.put(format!("k/{i}"), ""));
    for bad in [
        Transaction::new().put("a", "").put("a", ""),
        too_many.clone(),
    ] {
        assert!(matches!(
            changes.apply(event("a"), bad).await,
            Err(ChangeError::Store(_))
        ));
    }
    assert!(log(&dir).is_empty());
    let most = (0..61).fold(Transaction::new(), |t, i| t.put(format!("k/{i}"), ""));
    changes.apply(event("a"), most).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_got_lost_is_found_out() {
    let dir = TempDir::new().unwrap();
    let store = Faulty::new(embedded(&dir));
    let changes = start(&dir, store.clone()).await;
    store.lose_answers.store(true, Ordering::SeqCst);
    let revision = changes.apply(event("a"), put("a")).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap().revision, revision);

    store.refuse.store(1, Ordering::SeqCst);
    assert!(matches!(
        changes.apply(event("b"), put("b")).await,
        Err(ChangeError::Store(StoreError::Unavailable(_)))
    ));
    assert!(store.get("b").await.unwrap().is_none());
    assert_eq!(
        log(&dir),
        [
            "intent",
            "outcome settled_done",
            "intent",
            "outcome settled_not_done"
        ]
    );
}

#[tokio::test]
async fn while_the_store_is_down_nothing_is_begun_and_then_all_is_settled() {
    let dir = TempDir::new().unwrap();
    let store = Faulty::new(embedded(&dir));
    let changes = start(&dir, store.clone()).await;
    store.down.store(true, Ordering::SeqCst);
    assert!(matches!(
        changes.apply(event("a"), put("a")).await,
        Err(ChangeError::Unknown { .. })
    ));
    for _ in 0..3 {
        assert!(matches!(
            changes.apply(event("a"), put("a")).await,
            Err(ChangeError::Store(_))
        ));
    }
    assert_eq!(log(&dir), ["intent"]);
    assert_eq!(
        changes.audit().verify(None).await.unwrap().dangling.len(),
        1
    );
    store.down.store(false, Ordering::SeqCst);
    changes.apply(event("a"), put("a")).await.unwrap();
    assert_eq!(
        log(&dir),
        [
            "intent",
            "outcome settled_not_done",
            "intent",
            "outcome done"
        ]
    );
}

#[tokio::test]
async fn a_change_that_was_given_up_never_happens_later() {
    let dir = TempDir::new().unwrap();
    let real = embedded(&dir);
    // Keeps the first commit of a change and lets it loose later, as a network can.
    struct Late {
        kept: Mutex<Option<Transaction>>,
        armed: AtomicBool,
    }
    #[async_trait]
    impl Commits for Late {
        async fn commit(&self, inner: &dyn Store, changes: Transaction) -> Committed {
            if self.armed.swap(false, Ordering::SeqCst) {
                *self.kept.lock().unwrap() = Some(changes);
                return Err(StoreError::Unavailable("timed out".into()));
            }
            inner.commit(changes).await
        }
    }
    let late = Through::new(
        real.clone(),
        Late {
            kept: Mutex::default(),
            armed: AtomicBool::new(false),
        },
    );
    let changes = start(&dir, late.clone()).await;
    late.commits.armed.store(true, Ordering::SeqCst);
    assert!(changes.apply(event("a"), put("a")).await.is_err());
    for i in 0..20 {
        changes
            .apply(event("b"), put(&format!("b/{i}")))
            .await
            .unwrap();
    }
    let kept = late.commits.kept.lock().unwrap().take().unwrap();
    assert!(matches!(
        real.commit(kept).await,
        Err(StoreError::Conflict { .. })
    ));
    assert!(real.get("a").await.unwrap().is_none());
}

#[tokio::test]
async fn intents_that_a_crash_left_are_settled_at_start() {
    for happened in [true, false] {
        let dir = TempDir::new().unwrap();
        let real = embedded(&dir);
        let store = Faulty::new(real.clone());
        let changes = start(&dir, store.clone()).await;
        changes.apply(event("first"), put("first")).await.unwrap();
        if happened {
            // The transaction is in; the outcome is removed, as if the crash had come before it.
            changes.apply(event("a"), put("a")).await.unwrap();
            drop(changes);
            let path = log_path(dir.path(), ID);
            let text = std::fs::read_to_string(&path).unwrap();
            let cut = text.trim_end().rfind('\n').unwrap() + 1;
            std::fs::write(&path, &text[..cut + 20]).unwrap();
        } else {
            store.down.store(true, Ordering::SeqCst);
            assert!(changes.apply(event("a"), put("a")).await.is_err());
            drop(changes);
        }
        let changes = start(&dir, real.clone()).await;
        let outcome = if happened {
            "outcome settled_done"
        } else {
            "outcome settled_not_done"
        };
        assert_eq!(log(&dir), ["intent", "outcome done", "intent", outcome]);
        assert!(changes.verify().await.unwrap().dangling.is_empty());
        drop(changes);
        start(&dir, real.clone()).await;
        assert_eq!(log(&dir).len(), 4, "once");
        assert_eq!(ops(&real).await, 0);
    }
}

#[tokio::test]
async fn a_request_that_goes_away_does_not_stop_its_change() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(Faulty {
        delay: Duration::from_millis(50),
        ..Arc::into_inner(Faulty::new(embedded(&dir))).unwrap()
    });
    let changes = start(&dir, store.clone()).await;
    let gave_up = tokio::time::timeout(
        Duration::from_millis(20),
        changes.apply(event("a"), put("a")),
    )
    .await;
    assert!(gave_up.is_err());
    let done = async {
        while log(&dir) != ["intent", "outcome done"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), done)
        .await
        .expect("the change went on");
    assert!(store.get("a").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_changes_at_once() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let changes = start(&dir, store.clone()).await;
    let many: Vec<_> = (0..200)
        .map(|i| {
            let changes = changes.clone();
            // Each key is wanted twice.
            tokio::spawn(async move {
                changes
                    .apply(event("k"), put(&format!("k/{}", i / 2)))
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut done = 0;
    for change in many {
        done += u32::from(change.await.unwrap());
    }
    assert_eq!(done, 100);
    assert_eq!(list_all(&*store, "k/").await.unwrap().len(), 100);
    let log = log(&dir);
    assert_eq!(
        log.iter().filter(|line| *line == "outcome done").count(),
        100
    );
    assert_eq!(
        log.iter()
            .filter(|line| *line == "outcome not_done")
            .count(),
        100
    );
    drop(changes);
    start(&dir, store).await;
}

/// Once a change is in the store, the disk fills up: the limit on the size of files stands in for it.
struct Filling {
    log: PathBuf,
    armed: AtomicBool,
}

#[async_trait]
impl Commits for Filling {
    async fn commit(&self, inner: &dyn Store, changes: Transaction) -> Committed {
        let result = inner.commit(changes).await;
        if self.armed.swap(false, Ordering::SeqCst) {
            limit_files(Some(std::fs::metadata(&self.log).unwrap().len()));
        }
        result
    }
}

#[test]
fn a_change_without_an_outcome_is_not_answered_as_done() {
    if let Some(dir) = child_dir() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(change_while_the_log_fills(&dir));
    }
    let dir = TempDir::new().unwrap();
    let test = "changes::a_change_without_an_outcome_is_not_answered_as_done";
    let child = spawn_child(test, dir.path(), "trap '' XFSZ;");
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(log(&dir), ["intent", "outcome settled_done"]);
}

async fn change_while_the_log_fills(dir: &Path) {
    let filling = Filling {
        log: log_path(dir, ID),
        armed: AtomicBool::new(false),
    };
    let store = Through::new(embedded_in(dir), filling);
    let changes = start_in(dir, store.clone()).await;
    store.commits.armed.store(true, Ordering::SeqCst);
    let error = changes.apply(event("a"), put("a")).await.unwrap_err();
    assert!(matches!(error, ChangeError::Unrecorded { .. }), "{error}");
    assert!(changes.apply(event("b"), put("b")).await.is_err());
    limit_files(None);
    assert!(store.get("a").await.unwrap().is_some());
    assert!(store.get("b").await.unwrap().is_none());
    // Without another change.
    changes.mark(NOW_MS).await.unwrap();
}

#[test]
fn the_store_and_the_log_agree_after_kill_9() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(dir) = child_dir() {
        return runtime.block_on(change_for_ever(&dir));
    }
    let dir = TempDir::new().unwrap();
    let mut told: Vec<String> = Vec::new();
    for round in 0..8 {
        let mut child = spawn_child(
            "changes::the_store_and_the_log_agree_after_kill_9",
            dir.path(),
            "",
        );
        let answers = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let before = told.len();
        for line in answers {
            told.extend(line.strip_prefix("did ").map(str::to_owned));
            // Not always at the same place.
            if told.len() - before == 10 + 7 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        runtime.block_on(async {
            let store = embedded(&dir);
            let changes = start(&dir, store.clone()).await;
            assert!(changes.verify().await.unwrap().dangling.is_empty());
            let there = list_all(&*store, "k/").await.unwrap();
            let keys: Vec<&str> = there.iter().map(|entry| entry.key.as_str()).collect();
            assert!(
                told.iter().all(|key| keys.contains(&key.as_str())),
                "an answered change is lost"
            );
            let done = |line: &String| line.ends_with("done") && !line.contains("not_done");
            assert_eq!(
                log(&dir).iter().filter(|line| done(line)).count(),
                keys.len(),
                "the log and the store disagree"
            );
            // Changes that were given up just now are kept from happening until the next start.
            let left = list_all(&*store, "op/").await.unwrap();
            assert!(left.iter().all(|op| op.value.ends_with(b"\"seq\":0}")));
        });
    }
    assert!(told.len() > 200);
}

async fn change_for_ever(dir: &Path) {
    let changes = start_in(dir, embedded_in(dir)).await;
    let first = changes.audit().head().seq;
    let one = async |name: &str| {
        for i in 0.. {
            let key = format!("k/{first:06}/{name}/{i:06}");
            changes.apply(event(&key), put(&key)).await.unwrap();
            if std::io::stdout()
                .write_all(format!("\ndid {key}\n").as_bytes())
                .is_err()
            {
                break;
            }
        }
    };
    tokio::join!(one("a"), one("b"), one("c"), one("d"));
}
