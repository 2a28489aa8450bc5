//! The measurement itself works: here with so few tokens that its figures say nothing.

use std::process::{Command, Stdio};

#[test]
fn single_uses_are_measured_with_a_real_authority_and_none_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_once"))
        .args(["--tokens", "20", "--rounds", "1"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let tables = String::from_utf8(output.stdout).unwrap();
    let shared = tables.matches("single use, all agents share");
    assert_eq!(shared.count(), 2, "{tables}");
}
