//! The arithmetic comes out, from the costs that are in the repository's report.

use std::{fs, path::Path};

use super::Page;

#[test]
fn a_fleet_is_computed_and_what_breaks_first_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let report = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/speed");
    for group in ["authority.json", "core.json", "revoked.json"] {
        fs::copy(report.join(group), folder.path().join(group)).unwrap();
    }
    let page = Page::in_folder("scale", &folder);
    for part in ["## What breaks first", "## One rotation", "## Revocations"] {
        assert!(page.says(part), "{part}: {}", page.text);
    }
    assert!(page.says("1,000,000 agents × "), "{}", page.text);
}
