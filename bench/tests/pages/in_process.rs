use super::Page;

#[test]
fn the_sdk_and_the_core_are_measured_on_the_same_tokens() {
    let page = Page::of("in-process");
    for shape in ["plain", "three caveats, 1 KiB of claims"] {
        assert_eq!(page.rows(shape), 2, "{shape}: {}", page.text);
    }
    assert!(page.says("| with the layer "), "{}", page.text);
}
