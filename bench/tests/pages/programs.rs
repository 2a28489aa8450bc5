//! Those that are programs of their own.

use super::Page;

#[test]
fn the_set_of_revoked_ids_is_measured_beside_its_peer() {
    let page = Page::of("revoked");
    let bytes = &page.figures["bytes_per_id"];
    assert!(bytes["value"].is_number(), "{}", page.figures);
    assert!(
        page.says("| 1,000 ") || page.says("| 1000 "),
        "{}",
        page.text
    );
}
