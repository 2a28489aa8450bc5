use super::Page;

#[test]
fn single_uses_are_measured_on_both_stores_and_none_is_refused() {
    let page = Page::of("once");
    assert_eq!(page.rows("plain"), 3, "{}", page.text);
    for store in ["embedded store", "etcd 3.5"] {
        let shared = format!("single use, all agents share, {store}");
        assert_eq!(page.rows(&shared), 2, "{store}: {}", page.text);
    }
}
