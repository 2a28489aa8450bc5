//! The measurement itself works: here with so few tokens that its figures say nothing.

mod pages;

#[test]
fn the_sdk_and_the_core_are_measured_on_the_same_tokens() {
    let page = pages::of("in-process");
    for shape in ["plain", "three caveats, 1 KiB of claims"] {
        let begin = format!("| {shape} ");
        let rows = page.lines().filter(|line| line.starts_with(&begin));
        assert_eq!(rows.count(), 2, "{shape}: {page}");
    }
    assert!(page.contains("| with the layer "), "{page}");
}
