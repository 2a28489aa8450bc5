//! Tokens beside what others offer. What that depends on stays out of this workspace, so a program of its own measures it: `bench/peers`.

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/Cargo.toml");

/// Builds the program and has it write its page.
pub(crate) fn write(smoke: bool, out: &Path) -> Result<()> {
    let program = env::current_exe()?;
    let target = program.parent().and_then(Path::parent);
    let target = target.context("this program is in no target folder")?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["run", "--release", "--quiet", "--locked", "--manifest-path"])
        .arg(MANIFEST)
        .arg("--target-dir")
        .arg(target.join("peers"))
        .args(["--", "--out"])
        .arg(out);
    if smoke {
        cargo.arg("--smoke");
    }
    let status = cargo.status().context("cargo")?;
    ensure!(status.success(), "bench/peers: {status}");
    Ok(())
}
