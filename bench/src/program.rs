//! Measurements that are programs of their own, for the sake of their memory: what they print is their page.

use std::{env, process::Command};

use anyhow::{Context as _, Result, ensure};
use cattery_report::Page;

/// Runs the one of this name, which was built beside this one.
pub(crate) fn measure(name: &str, title: &str, args: &[&str]) -> Result<Page> {
    let program = env::current_exe()?.with_file_name(name);
    let output = Command::new(&program)
        .args(args)
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| program.display().to_string())?;
    ensure!(output.status.success(), "{name}: {}", output.status);
    let about = format!("How it is measured: [bench/README.md](../../bench/README.md#{name}).");
    let mut page = Page::new(title, &about);
    page.text(&String::from_utf8(output.stdout)?);
    Ok(page)
}
