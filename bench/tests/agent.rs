//! The measurement itself works: here with so little work that its figures say nothing.

use std::{fs, path::Path, process::Command};

fn page(group: &str, folder: &Path) -> std::io::Result<String> {
    let status = Command::new(env!("CARGO_BIN_EXE_cattery-bench"))
        .args(["--smoke", group, "--out"])
        .arg(folder)
        .status()?;
    assert!(status.success());
    fs::read_to_string(folder.join(format!("{group}.md")))
}

#[test]
fn the_agent_is_measured_beside_a_bare_server() {
    let folder = tempfile::tempdir().unwrap();
    let page = page("agent", folder.path()).unwrap();
    for (what, rows) in [("`Verify`", 2), ("`ext_authz`", 2), ("forward-auth", 2)] {
        let begin = format!("| {what} ");
        let found = page.lines().filter(|line| line.starts_with(&begin)).count();
        assert_eq!(found, rows, "{what}:\n{page}");
    }
    assert!(page.contains("| `VerifyStream`, one "), "{page}");
    assert!(folder.path().join("agent-calls.svg").exists());
    assert!(folder.path().join("agent-streams.svg").exists());
    for change in ["quiet", "during a rotation", "during revocations"] {
        let begin = format!("| {change} ");
        assert!(page.contains(&begin), "{change}:\n{page}");
    }
}

#[test]
fn ten_minutes_have_a_row_each() {
    let folder = tempfile::tempdir().unwrap();
    let page = page("steady", folder.path()).unwrap();
    let is_row = |line: &&str| line.starts_with("| ") && line.contains('.');
    assert_eq!(page.lines().filter(is_row).count(), 10, "{page}");
}
