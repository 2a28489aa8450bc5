//! Measurements that are programs of their own, for the sake of their memory: they write their pages themselves.

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

/// Runs the one of this name, which was built beside this one.
pub(crate) fn write(name: &str, args: &[&str], out: &Path) -> Result<()> {
    let program = env::current_exe()?.with_file_name(name);
    let status = Command::new(&program)
        .args(args)
        .arg("--out")
        .arg(out)
        .status()
        .with_context(|| program.display().to_string())?;
    ensure!(status.success(), "{name}: {status}");
    Ok(())
}
