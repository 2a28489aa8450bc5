//! The log and the store know of each other: what is cut off one, or set back in the other, is noticed.

use std::sync::Mutex;

use cattery_authority::audit::{AuditError, ChangeError, Changes, OldSign, log_path};
use cattery_authority::store::{Store, Transaction};
use tempfile::TempDir;
use tonic::async_trait;

use crate::faults::{Commits, Committed, Through};
use crate::logged::{ID, put, start, unsettled, unsettled_in};
use crate::support::{NOW_MS, embedded, event, open_audit};

const MARK: &str = "audit/authority-1";

#[tokio::test]
async fn a_log_that_lost_its_end_stops_the_start_until_the_loss_is_accepted() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let changes = start(&dir, store.clone()).await;
    for i in 0..3 {
        changes
            .apply(event("a"), put(&format!("a/{i}")))
            .await
            .unwrap();
    }
    drop(changes);
    let path = log_path(dir.path(), ID);
    let text = std::fs::read_to_string(&path).unwrap();
    for lines in [0, 2, 4] {
        let kept: String = text
            .lines()
            .take(lines)
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&path, kept).unwrap();
        let error = unsettled(&dir, store.clone())
            .settle(NOW_MS)
            .await
            .unwrap_err();
        assert!(
            matches!(error, ChangeError::Audit(AuditError::Broken { .. })),
            "{lines}: {error}"
        );
        assert!(
            error.to_string().contains("its end was cut off"),
            "{lines}: {error}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    let changes = unsettled(&dir, store.clone());
    changes.settle_accepting_loss(NOW_MS).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("audit_loss_accepted") && text.contains("the store knows of record 5"),
        "{text}"
    );
    drop(changes);
    let changes = start(&dir, store.clone()).await;
    changes.apply(event("b"), put("b")).await.unwrap();
    assert!(changes.verify().await.unwrap().intact);
}

#[tokio::test]
async fn records_that_are_no_changes_are_missed_after_a_mark() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let changes = start(&dir, store.clone()).await;
    changes.mark(NOW_MS).await.unwrap();
    let revision = changes.apply(event("a"), put("a")).await.unwrap();
    for _ in 0..3 {
        changes.audit().append(event("keys")).await.unwrap();
    }
    changes.mark(NOW_MS).await.unwrap();
    changes.mark(NOW_MS).await.unwrap();
    assert_eq!(
        store.commit(Transaction::new()).await.unwrap(),
        revision + 1,
        "no more than one write"
    );
    drop(changes);
    let path = log_path(dir.path(), ID);
    let text = std::fs::read_to_string(&path).unwrap();
    let cut = text.trim_end().rfind('\n').unwrap() + 1;
    std::fs::write(&path, &text[..cut]).unwrap();
    let error = unsettled(&dir, store).settle(NOW_MS).await.unwrap_err();
    assert!(
        error.to_string().contains("the store knows of record 5"),
        "{error}"
    );
}

/// Just before one commit, somebody else's older mark arrives.
#[derive(Default)]
struct Outdated {
    older: Mutex<Option<Vec<u8>>>,
}

#[async_trait]
impl Commits for Outdated {
    async fn commit(&self, inner: &dyn Store, changes: Transaction) -> Committed {
        let older = self.older.lock().unwrap().take();
        if let Some(older) = older {
            inner.commit(Transaction::new().put(MARK, older)).await?;
        }
        inner.commit(changes).await
    }
}

#[tokio::test]
async fn a_mark_that_a_change_set_back_is_set_again() {
    let dir = TempDir::new().unwrap();
    let store = Through::new(embedded(&dir), Outdated::default());
    let changes = start(&dir, store.clone()).await;
    changes.apply(event("a"), put("a")).await.unwrap();
    let older = store.get(MARK).await.unwrap().unwrap().value;
    changes.audit().append(event("keys")).await.unwrap();
    *store.commits.older.lock().unwrap() = Some(older);
    changes.mark(NOW_MS).await.unwrap();
    let mark = store.get(MARK).await.unwrap().unwrap().value;
    let head = serde_json::to_vec(&changes.audit().head()).unwrap();
    assert_eq!(mark, head);
}

#[tokio::test]
async fn what_a_start_settled_is_missed_if_it_is_cut_off() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let changes = start(&dir, store.clone()).await;
    changes.apply(event("a"), put("a")).await.unwrap();
    drop(changes);
    let path = log_path(dir.path(), ID);
    // The outcome, as a crash takes it and then an intruder.
    for what in ["a crash", "an intruder"] {
        let text = std::fs::read_to_string(&path).unwrap();
        let cut = text.trim_end().rfind('\n').unwrap() + 1;
        std::fs::write(&path, &text[..cut]).unwrap();
        let changes = unsettled(&dir, store.clone());
        let settled = changes.settle(NOW_MS).await;
        assert_eq!(settled.is_ok(), what == "a crash", "{what}");
    }
}

#[tokio::test]
async fn a_store_that_is_older_than_its_log_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("store.redb");
    let changes = start(&dir, embedded(&dir)).await;
    changes.apply(event("a"), put("a")).await.unwrap();
    drop(changes);
    let old = std::fs::read(&file).unwrap();
    let changes = start(&dir, embedded(&dir)).await;
    changes.apply(event("b"), put("b")).await.unwrap();
    drop(changes);

    std::fs::write(&file, old).unwrap();
    let error = unsettled(&dir, embedded(&dir)).settle(NOW_MS).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ChangeError::OldStore { .. }), "{error}");
    assert!(error.to_string().contains("`cattery restore`"), "{error}");
    // Whoever does not care what was revoked moves the log away.
    let path = log_path(dir.path(), ID);
    std::fs::rename(&path, dir.path().join("evidence")).unwrap();
    let changes = unsettled(&dir, embedded(&dir));
    assert!(changes.settle(NOW_MS).await.is_err());
    changes.settle_accepting_loss(NOW_MS).await.unwrap();
    drop(changes);
    start(&dir, embedded(&dir)).await;
}

#[tokio::test]
async fn an_older_store_in_which_others_went_on_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("store.redb");
    let changes = start(&dir, embedded(&dir)).await;
    changes.apply(event("a"), put("a")).await.unwrap();
    drop(changes);
    let old = std::fs::read(&file).unwrap();
    let changes = start(&dir, embedded(&dir)).await;
    let newest = changes.apply(event("b"), put("b")).await.unwrap();
    drop(changes);

    std::fs::write(&file, old).unwrap();
    let store = embedded(&dir);
    while store.commit(Transaction::new().put("c", "")).await.unwrap() < newest + 10 {}
    let changes = unsettled(&dir, store);
    let error = changes.settle(NOW_MS).await.unwrap_err();
    let ChangeError::OldStore { sign, .. } = error else {
        panic!("{error}")
    };
    let known = matches!(sign, OldSign::Change { change: 3, mark } if mark < 3);
    assert!(known, "{sign}");
    // Nor is it by what this process itself has written.
    drop(changes);
    let path = log_path(dir.path(), ID);
    std::fs::remove_file(path.with_extension("seen")).unwrap();
    let changes = unsettled(&dir, embedded(&dir));
    changes.found_at(newest - 1);
    let error = changes.settle(NOW_MS).await.unwrap_err();
    assert!(error.to_string().contains("was seen at"), "{error}");
}

#[tokio::test]
async fn a_log_goes_on_with_a_restored_store_and_with_no_older_one() {
    let dir = TempDir::new().unwrap();
    let old = TempDir::new().unwrap();
    let changes = start(&dir, embedded(&old)).await;
    for i in 0..3 {
        let put = put(&format!("a/{i}"));
        changes.apply(event("a"), put).await.unwrap();
    }
    drop(changes);
    // Its revisions begin anew.
    let restored = TempDir::new().unwrap();
    for _ in 0..2 {
        let changes = unsettled_in(dir.path(), embedded(&restored), 2);
        changes.settle(NOW_MS).await.unwrap();
        let report = changes.verify().await.unwrap();
        assert_eq!((report.incarnation, report.revision), (2, 0));
        assert_eq!(report.records, 7, "it is noted once");
    }
    let error = unsettled(&dir, embedded(&old)).settle(NOW_MS).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ChangeError::OldStore { .. }), "{error}");
    assert!(
        error.to_string().contains("incarnation 2, revision 0"),
        "{error}"
    );
    let changes = unsettled_in(dir.path(), embedded(&restored), 2);
    changes.settle(NOW_MS).await.unwrap();
    let revision = changes.apply(event("b"), put("b")).await.unwrap();
    assert_eq!(changes.verify().await.unwrap().revision, revision);
}

#[tokio::test]
async fn another_authoritys_id_does_not_get_round_the_log() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let changes = start(&dir, store.clone()).await;
    changes.expect_alone().await.unwrap();
    changes.apply(event("a"), put("a")).await.unwrap();
    changes.expect_alone().await.unwrap();
    let (audit, dangling) = open_audit(dir.path(), "authority-2");
    let other = Changes::new(store, audit, dangling, 1);
    let error = other.expect_alone().await.unwrap_err().to_string();
    assert!(
        error.contains("set authority_id = \"authority-1\""),
        "{error}"
    );
}
