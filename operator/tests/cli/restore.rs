//! `cattery backup --dir` and `cattery restore`, with no authority that runs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::support::Cattery;

/// A place in somebody's home.
fn place(cattery: &Cattery, name: &str) -> String {
    let path = cattery.home.path().join(name);
    path.to_str().unwrap().to_owned()
}

/// A cluster in `authority`, its backup in `cattery.backup`, and its key file and audit log.
fn backed_up(cattery: &Cattery) -> [String; 4] {
    let dir = place(cattery, "authority");
    cattery.ok(&["init", "--dir", &dir], "");
    let backup = place(cattery, "cattery.backup");
    cattery.ok(&["backup", &backup, "--dir", &dir], "");
    let key_file = format!("{dir}/master.key");
    let log = format!("{dir}/audit/authority-1.log");
    [dir, backup, key_file, log]
}

#[test]
fn a_backup_is_checked_with_the_key_alone() {
    let cattery = Cattery::new();
    let [dir, backup, key_file, _] = backed_up(&cattery);
    let mode = fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let line = cattery.fails(1, &["backup", &backup, "--dir", &dir], "");
    assert!(line.contains("is there already"), "{line}");

    let check = ["restore", "--check", &backup, "--key-file", &key_file];
    let shown = cattery.json(&check, "");
    assert_eq!(shown["incarnation"], 1, "{shown}");
    let stranger = Cattery::new();
    let [_, _, strange, _] = backed_up(&stranger);
    cattery.fails(
        1,
        &["restore", "--check", &backup, "--key-file", &strange],
        "",
    );

    let text = fs::read_to_string(&backup).unwrap();
    for changed in [
        text.replacen("operator/root", "operator/evil", 1),
        text[..text.trim_end().rfind('\n').unwrap() + 1].to_owned(),
    ] {
        assert_ne!(changed, text);
        fs::write(&backup, changed).unwrap();
        cattery.fails(1, &check, "");
    }
}

#[test]
fn what_is_missing_is_asked_for_before_anything_is_made() {
    let cattery = Cattery::new();
    let [dir, backup, key_file, log] = backed_up(&cattery);
    let new = place(&cattery, "new");
    let line = cattery.fails(1, &["restore", &backup, "--dir", &new], "");
    assert!(line.contains("--key-file"), "{line}");
    let restore = |dir: &str, more: &[&str]| {
        let args = ["restore", &backup, "--dir", dir, "--key-file", &key_file];
        cattery.run(&[&args[..], more].concat(), "")
    };
    let output = restore(&new, &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let asked = output.err.contains("--audit-log") && output.err.contains("--without-audit-log");
    assert!(asked, "{output:?}");
    let output = restore(&dir, &["--audit-log", &log]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(!Path::new(&new).exists());

    let line = cattery.fails(64, &["restore", "--check", &backup, "--dir", &new], "");
    assert!(line.contains("--check"), "{line}");
    let output = restore(&new, &["--audit-log", &log]);
    assert_eq!(output.code, Some(0), "{output:?}");
    for words in ["incarnation 2", "run --dir"] {
        assert!(output.out.contains(words), "{words}: {output:?}");
    }
    // What came of it can be backed up and restored again, without the log as well.
    let again = place(&cattery, "again.backup");
    cattery.ok(&["backup", &again, "--dir", &new], "");
    let newest = place(&cattery, "newest");
    let newest = ["restore", &again, "--dir", &newest, "--key-file", &key_file];
    let numbers = [
        "--above-epoch",
        "40",
        "--above-incarnation",
        "6",
        "--without-audit-log",
    ];
    let shown = cattery.json(&[&newest[..], &numbers].concat(), "");
    assert_eq!(
        (&shown["incarnation"], &shown["epoch"]),
        (&7.into(), &41.into()),
        "{shown}"
    );
}
