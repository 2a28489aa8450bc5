//! Those that are programs of their own.

use super::Page;

#[test]
fn the_set_of_revoked_ids_is_measured_beside_its_peer() {
    let page = Page::of("revoked");
    assert!(
        page.says("| 1,000 ") || page.says("| 1000 "),
        "{}",
        page.text
    );
}
