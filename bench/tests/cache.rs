//! The measurement itself works: here with so few requests that its figures say nothing.

mod pages;

#[test]
fn tables_of_keys_are_measured_for_each_population_and_something_follows() {
    let page = pages::of("cache");
    for users in ["100", "1,000", "8,000", "100,000", "1,000,000"] {
        let begin = format!("| {users} ");
        let rows = page.lines().filter(|line| line.starts_with(&begin));
        assert_eq!(rows.count(), 4, "{users}: {page}");
    }
    assert!(page.contains("\nA table is worth having "), "{page}");
}
