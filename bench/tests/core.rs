//! The measurements themselves work: here with so little work that their figures say nothing.
#![allow(clippy::unwrap_used)]

mod pages;

#[test]
fn the_core_is_measured_over_its_floor() {
    let page = pages::of("core");
    for row in [
        "| verify ",
        "| mint, ",
        "| each further caveat ",
        "1024 bytes of claims",
    ] {
        assert!(page.contains(row), "{page}");
    }
}

#[test]
fn a_comparison_that_stops_early_is_found() {
    let page = pages::of("constant-time");
    let control = page.lines().find(|line| line.contains("stops early"));
    assert!(control.unwrap().contains("| a difference |"), "{page}");
}
