//! The arithmetic comes out, from the costs that are in the repository.

use super::Page;

#[test]
fn a_fleet_is_computed_and_what_breaks_first_is_named() {
    let page = Page::of("scale");
    for part in ["## What breaks first", "## One rotation", "## Revocations"] {
        assert!(page.says(part), "{part}: {}", page.text);
    }
    assert!(page.says("1,000,000 agents × "), "{}", page.text);
}
