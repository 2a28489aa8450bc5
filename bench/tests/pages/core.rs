use super::Page;

#[test]
fn the_core_is_measured_over_its_floor() {
    let page = Page::of("core");
    for row in [
        "| verify ",
        "| mint, ",
        "| each further caveat ",
        "1024 bytes of claims",
    ] {
        assert!(page.says(row), "{}", page.text);
    }
}

#[test]
fn a_comparison_that_stops_early_is_found() {
    let page = Page::of("constant-time");
    let control = page.text.lines().find(|line| line.contains("stops early"));
    assert!(
        control.unwrap().contains("| a difference |"),
        "{}",
        page.text
    );
}
