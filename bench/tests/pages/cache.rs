use super::Page;

#[test]
fn tables_of_keys_are_measured_for_each_population_and_something_follows() {
    let page = Page::of("cache");
    for users in ["100", "1,000", "8,000", "100,000", "1,000,000"] {
        assert_eq!(page.rows(users), 4, "{users}: {}", page.text);
    }
    assert!(page.says("\nA table is worth having "), "{}", page.text);
}
