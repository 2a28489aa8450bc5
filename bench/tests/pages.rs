//! The measurements themselves work: here with so little work that their figures say nothing.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    process::{Command, Stdio},
};

fn page(group: &str) -> String {
    let folder = std::env::temp_dir().join(format!("cat-page-{group}-{}", std::process::id()));
    let status = Command::new(env!("CARGO_BIN_EXE_cattery-bench"))
        .args(["--smoke", "--out"])
        .arg(&folder)
        .arg(group)
        .stderr(Stdio::inherit())
        .status()
        .unwrap();
    assert!(status.success());
    let page = fs::read_to_string(folder.join(format!("{group}.md"))).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    page
}

#[test]
fn the_core_is_measured_over_its_floor() {
    let page = page("core");
    for row in [
        "| verify ",
        "| mint, ",
        "| each further caveat ",
        "1024 bytes of claims",
    ] {
        assert!(page.contains(row), "{page}");
    }
}

#[test]
fn a_comparison_that_stops_early_is_found() {
    let page = page("constant-time");
    let control = page.lines().find(|line| line.contains("stops early"));
    assert!(control.unwrap().contains("| a difference |"), "{page}");
}
