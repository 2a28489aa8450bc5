//! The plain-Python client: it shares no code with this project.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::programs::python_folder;

/// Runs a script of the folder to its end: what it prints.
///
/// # Errors
/// Where it fails, or there is no Python.
pub fn run(script: &str, args: &[&str], stdin: &str) -> Result<String> {
    let mut child = Command::new("python3")
        .arg("-B") // leaves no compiled files in the tree
        .arg(python_folder().join(script))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting python3: install it (apt-get install python3)")?;
    if let Some(mut pipe) = child.stdin.take() {
        let input = stdin.to_owned();
        // Written from aside: neither side waits for the other's pipe.
        std::thread::spawn(move || pipe.write_all(input.as_bytes()));
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{script} {args:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
