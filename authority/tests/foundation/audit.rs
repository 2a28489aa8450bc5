//! The audit log: a chain that shows what was done to it, and that survives disks and crashes.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cattery_authority::audit::{Audit, AuditError, Position, VerifyReport, log_path, verify};
use tempfile::TempDir;

use crate::support::{child_dir, event, limit_files, open_audit, spawn_child};

const ID: &str = "authority-1";

fn open(dir: &Path) -> Audit {
    open_audit(dir, ID).0
}

fn checked(dir: &Path, mark: Option<Position>) -> VerifyReport {
    verify(&log_path(dir, ID), ID, mark).unwrap()
}

/// A log of ten records, closed; the place of the seventh.
async fn ten(dir: &TempDir) -> (PathBuf, Position) {
    let audit = open(dir.path());
    let mut seventh = audit.head();
    for i in 1..=10 {
        let position = audit
            .append(event(&format!("service/s{i}")).field("n", i.to_string()))
            .await
            .unwrap();
        assert_eq!(position.seq, i);
        if i == 7 {
            seventh = position;
        }
    }
    (log_path(dir.path(), ID), seventh)
}

#[tokio::test]
async fn records_follow_from_each_other_across_starts() {
    let dir = TempDir::new().unwrap();
    let (path, seventh) = ten(&dir).await;
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let audit = open(dir.path());
    assert_eq!(audit.head().seq, 10);
    let last = audit.append(event("service/more")).await.unwrap();
    assert_eq!(last.seq, 11);
    let report = audit.verify(Some(seventh)).await.unwrap();
    assert!(report.intact && report.problem.is_none() && report.dangling.is_empty());
    assert_eq!((report.records, report.head, report.torn), (11, last, 0));

    let text = fs::read_to_string(&path).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(4).unwrap()).unwrap();
    assert_eq!(line["seq"], 5);
    assert_eq!(
        (&line["kind"], &line["action"]),
        (&"event".into(), &"service_added".into())
    );
    assert_eq!(
        (&line["actor"], &line["subject"]),
        (&"operator/eve".into(), &"service/s5".into())
    );
    assert_eq!(
        (&line["request_id"], &line["fields"]["n"]),
        (&"req-1".into(), &"5".into())
    );
}

#[tokio::test]
async fn every_kind_of_tampering_shows() {
    type Tamper = fn(&mut Vec<String>);
    let kinds: [(&str, &str, Tamper); 8] = [
        ("a changed field", "line 5: it does not follow", |lines| {
            lines[3] = lines[3].replace("s4", "s5");
        }),
        ("a record removed", "line 4: it does not follow", |lines| {
            drop(lines.remove(3));
        }),
        ("the first removed", "line 1: it does not follow", |lines| {
            drop(lines.remove(0));
        }),
        ("two swapped", "line 4: it does not follow", |lines| {
            lines.swap(3, 4);
        }),
        ("one doubled", "line 5: it does not follow", |lines| {
            lines.insert(4, lines[3].clone());
        }),
        (
            "something that is no record",
            "line 4: it is not a record",
            |lines| lines[3] = "hello".into(),
        ),
        ("an empty line", "line 4: it is not a record", |lines| {
            lines.insert(3, String::new());
        }),
        ("a renumbered record", "line 10: its number", |lines| {
            lines[9] = lines[9].replace("\"seq\":10", "\"seq\":11");
        }),
    ];
    for (what, expected, tamper) in kinds {
        let dir = TempDir::new().unwrap();
        let (path, _) = ten(&dir).await;
        let mut lines: Vec<String> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(Into::into)
            .collect();
        tamper(&mut lines);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let report = checked(dir.path(), None);
        let problem = report.problem.unwrap();
        assert!(
            !report.intact && problem.contains(expected),
            "{what}: {problem}"
        );
        let error = Audit::open(dir.path(), ID).err().unwrap();
        assert!(
            matches!(error, AuditError::Broken { .. }) && error.to_string().contains("Restore it"),
            "{what}: {error}"
        );
    }
}

#[tokio::test]
async fn a_cut_off_end_or_a_replaced_log_shows_with_the_mark() {
    let dir = TempDir::new().unwrap();
    let (path, seventh) = ten(&dir).await;
    let lines: Vec<String> = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(Into::into)
        .collect();
    fs::write(&path, lines[..7].join("\n") + "\n").unwrap();
    assert!(checked(dir.path(), Some(seventh)).intact);
    fs::write(&path, lines[..6].join("\n") + "\n").unwrap();
    assert!(checked(dir.path(), None).intact);
    let report = checked(dir.path(), Some(seventh));
    assert!(
        !report.intact
            && report
                .problem
                .unwrap()
                .contains("ends at record 6, but the store knows of record 7")
    );

    let other = TempDir::new().unwrap();
    let audit = open(other.path());
    for _ in 0..10 {
        audit.append(event("x")).await.unwrap();
    }
    let report = audit.verify(Some(seventh)).await.unwrap();
    assert!(!report.intact && report.problem.unwrap().contains("the log was replaced"));
}

#[tokio::test]
async fn a_log_belongs_to_its_authority() {
    let dir = TempDir::new().unwrap();
    let (path, _) = ten(&dir).await;
    fs::rename(path, log_path(dir.path(), "authority-2")).unwrap();
    assert!(matches!(
        Audit::open(dir.path(), "authority-2"),
        Err(AuditError::Broken { .. })
    ));
}

#[tokio::test]
async fn a_torn_last_line_is_removed() {
    let dir = TempDir::new().unwrap();
    let (path, _) = ten(&dir).await;
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    for cut in [last + 1, last + 40, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let report = checked(dir.path(), None);
        assert!(report.intact);
        assert_eq!((report.records, report.torn), (9, (cut - last) as u64));
        let audit = open(dir.path());
        assert_eq!(audit.append(event("again")).await.unwrap().seq, 10);
        drop(audit);
        assert_eq!(checked(dir.path(), None).records, 10);
    }
}

#[tokio::test]
async fn one_at_a_time_can_write_it() {
    let dir = TempDir::new().unwrap();
    let audit = open(dir.path());
    assert!(matches!(
        Audit::open(dir.path(), ID),
        Err(AuditError::InUse { .. })
    ));
    drop(audit);
    open(dir.path());
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_and_the_next_is_not() {
    let dir = TempDir::new().unwrap();
    let audit = open(dir.path());
    let huge = event("x").field("much", "y".repeat(64 * 1024));
    assert!(matches!(
        audit.append(huge).await,
        Err(AuditError::TooLarge { .. })
    ));
    audit
        .append(event("x").field("line", "a\nb\u{2028}\0\""))
        .await
        .unwrap();
    assert!(audit.verify(None).await.unwrap().intact);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_share_the_disk_and_all_are_in_it() {
    let dir = TempDir::new().unwrap();
    let audit = open(dir.path());
    let writers: Vec<_> = (0..64)
        .map(|writer| {
            let audit = audit.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for i in 0..20 {
                    seen.push(
                        audit
                            .append(event(&format!("w/{writer}/{i}")))
                            .await
                            .unwrap()
                            .seq,
                    );
                }
                seen
            })
        })
        .collect();
    let mut seen = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted());
        seen.extend(own);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=1280).collect::<Vec<_>>());
    assert_eq!(
        audit.verify(Some(audit.head())).await.unwrap().records,
        1280
    );
}

/// The limit on the size of files stands in for a full disk: the write that crosses it is cut short, then refused.
#[test]
fn a_full_disk_refuses_and_the_log_goes_on_afterwards() {
    if let Some(dir) = child_dir() {
        return tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(on_a_full_disk(&dir));
    }
    let dir = TempDir::new().unwrap();
    // A shell that ignores SIGXFSZ hands that on.
    let child = spawn_child(
        "audit::a_full_disk_refuses_and_the_log_goes_on_afterwards",
        dir.path(),
        "trap '' XFSZ;",
    );
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(dir.path().join("reached").exists(), "the child did not run");
}

async fn on_a_full_disk(dir: &Path) {
    let audit = open(dir);
    limit_files(Some(10_000));
    let mut written = 0;
    let error = loop {
        match audit.append(event("filling the disk")).await {
            Ok(_) => written += 1,
            Err(e) => break e,
        }
    };
    assert!(
        matches!(error, AuditError::Write { .. }) && error.to_string().contains("make space"),
        "{error}"
    );
    assert!(written > 10);
    for _ in 0..3 {
        assert!(audit.append(event("still full")).await.is_err());
    }
    let report = checked(dir, Some(audit.head()));
    assert!(report.intact);
    assert_eq!(
        (report.records, report.torn),
        (written, 0),
        "what was cut short is gone"
    );
    limit_files(None);
    assert_eq!(
        audit.append(event("space again")).await.unwrap().seq,
        written + 1
    );
    drop(audit);
    assert_eq!(open(dir).head().seq, written + 1);
    fs::write(dir.join("reached"), "").unwrap();
}

#[test]
fn whatever_was_answered_before_kill_9_is_in_the_log() {
    if let Some(dir) = child_dir() {
        return tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(append_for_ever(&dir));
    }
    let dir = TempDir::new().unwrap();
    let mut told = Position {
        seq: 0,
        hash: open(dir.path()).head().hash,
    };
    for _ in 0..5 {
        let test = "audit::whatever_was_answered_before_kill_9_is_in_the_log";
        let mut child = spawn_child(test, dir.path(), "");
        let mut answers = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut heard = 0;
        for line in answers.by_ref() {
            if let Some(position) = line.strip_prefix("wrote ") {
                told = serde_json::from_str(position).unwrap();
                heard += 1;
            }
            if heard == 40 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= 40);
        let audit = open(dir.path());
        assert!(audit.head().seq >= told.seq);
        assert!(checked(dir.path(), Some(told)).intact);
    }
}

async fn append_for_ever(dir: &Path) {
    let audit = open(dir);
    let writer = async |name: &str| loop {
        let position = audit.append(event(name)).await.unwrap();
        let line = format!("\nwrote {}\n", serde_json::to_string(&position).unwrap());
        if std::io::stdout().write_all(line.as_bytes()).is_err() {
            break;
        }
    };
    tokio::join!(writer("a"), writer("b"), writer("c"));
}

#[test]
fn a_line_longer_than_any_record_is_tampering() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    let mut log = OpenOptions::new()
        .append(true)
        .open(log_path(dir.path(), ID))
        .unwrap();
    log.write_all(&vec![b'x'; 200_000]).unwrap();
    let report = checked(dir.path(), None);
    assert!(!report.intact && report.problem.unwrap().contains("longer than any record"));
}
