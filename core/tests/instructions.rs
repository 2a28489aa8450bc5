//! Instructions of each operation outside of the hash, which do not depend on how busy a computer is. valgrind counts them (Debian's package
//! `valgrind`); a processor of its own has no SHA extensions, so the hash is left out, and `src/counts.rs` counts its compressions.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

const TIMES: u64 = 500;

/// What each may take. A compiler's next version may change a figure a little; a copy, a lock or an allocation that was not there changes it by
/// more than the tenth that is between the figure (2026-11-30, rustc 1.95) and the bound.
const BOUNDS: [(&str, u64); 7] = [
    ("verify", 2_850),
    ("verify-kept", 2_470),
    ("verify-text", 4_130),
    ("verify-text-3-caveats", 8_760),
    ("verify-many", 73_300),
    ("mint", 1_960),
    ("attenuate", 4_920),
];

#[test]
fn operations_take_no_more_instructions_than_they_did() {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--example", "instructions"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    let mut said = String::new();
    let mut is_more = false;
    for (operation, bound) in BOUNDS {
        let each = (instructions(operation, TIMES) - instructions(operation, 0)) / TIMES;
        is_more |= each > bound;
        said += &format!("{operation}: {each}, at most {bound}\n");
    }
    println!("{said}");
    assert!(!is_more, "{said}");
}

fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap(); // target/debug/deps/…
    this.ancestors()
        .nth(2)
        .unwrap()
        .join("examples/instructions")
}

fn instructions(operation: &str, times: u64) -> u64 {
    let out = std::env::temp_dir().join(format!("cat-callgrind-{}", std::process::id()));
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        // Not what is below these: each time that one begins or ends, counting is switched.
        .args([
            "--toggle-collect=sha2::sha256::soft*compress",
            "--collect-atstart=yes",
        ])
        .arg(program())
        .args([operation, &times.to_string()])
        .status();
    let status = status.expect("valgrind has to be installed: ./test does that");
    assert!(status.success(), "{operation}");
    let total = total(&out);
    std::fs::remove_file(&out).unwrap();
    total
}

fn total(out: &Path) -> u64 {
    let text = std::fs::read_to_string(out).unwrap();
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    totals.unwrap().trim().parse().unwrap()
}
