//! The arithmetic comes out, from the costs that are in the repository.

use std::{env, fs, process};

#[test]
fn a_fleet_is_computed_and_what_breaks_first_is_named() {
    let folder = env::temp_dir().join(format!("cat-scale-page-{}", process::id()));
    let status = process::Command::new(env!("CARGO_BIN_EXE_cattery-bench"))
        .args(["--smoke", "--out"])
        .arg(&folder)
        .arg("scale")
        .status()
        .unwrap();
    assert!(status.success());
    let page = fs::read_to_string(folder.join("scale.md")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    for part in ["## What breaks first", "## One rotation", "## Revocations"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("1,000,000 agents × "), "{page}");
}
