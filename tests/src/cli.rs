//! The command line `cattery`, as a person would type it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::programs::Program;

/// Somebody's home.
pub struct Cli {
    /// What `--home` is.
    pub home: PathBuf,
    /// Where copies of standard error go, one file for each home.
    pub logs: PathBuf,
    /// Options before every command, `-vvv` say.
    pub options: Vec<String>,
}

/// What a command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Cli {
    /// The home `name` below `folder`, with logs in `folder/logs`.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            home: folder.join(name),
            logs: folder.join("logs"),
            options: Vec::new(),
        }
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn run(&self, args: &[&str], stdin: &str) -> Result<Output> {
        let mut child = Program::Cli
            .command()?
            .arg("--home")
            .arg(&self.home)
            .args(&self.options)
            .args(args)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting cattery")?;
        if let Some(mut pipe) = child.stdin.take() {
            // Some commands end before they read.
            let _ = pipe.write_all(stdin.as_bytes());
        }
        let output = child.wait_with_output()?;
        self.keep(&output.stderr)?;
        Ok(Output {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        })
    }

    /// Runs a command that has to succeed; its standard output without the last line break.
    ///
    /// # Errors
    /// Where it does not exit with 0.
    pub fn ok(&self, args: &[&str], stdin: &str) -> Result<String> {
        let output = self.run(args, stdin)?;
        ensure!(
            output.code == 0,
            "cattery {args:?} exited with {}: {}{}",
            output.code,
            output.err,
            output.out
        );
        Ok(output.out.trim_end().to_owned())
    }

    /// Runs a command that has to succeed, with `--output json`.
    ///
    /// # Errors
    /// Where it does not exit with 0, or prints anything but one JSON value.
    pub fn json(&self, args: &[&str], stdin: &str) -> Result<Value> {
        let args: Vec<_> = ["--output", "json"].iter().chain(args).copied().collect();
        let text = self.ok(&args, stdin)?;
        serde_json::from_str(&text).with_context(|| format!("{args:?} printed no JSON: {text}"))
    }

    /// Runs a command that has to fail: what it says, which has to be one clear line, with all of `words` in it.
    ///
    /// # Errors
    /// Where it succeeds, says more or less than a line, or shows its insides.
    pub fn refused(&self, args: &[&str], stdin: &str, words: &[&str]) -> Result<String> {
        let output = self.run(args, stdin)?;
        ensure!(
            output.code == 1 || output.code == 64,
            "cattery {args:?} exited with {}, not 1 or 64: {}{}",
            output.code,
            output.out,
            output.err
        );
        one_clear_line(&output.err, words).with_context(|| format!("cattery {args:?}"))
    }

    fn keep(&self, err: &[u8]) -> Result<()> {
        fs::create_dir_all(&self.logs)?;
        let name = self
            .home
            .file_name()
            .context("a home has a name")?
            .to_string_lossy();
        let mut log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.logs.join(format!("cli-{name}.err")))?;
        log.write_all(err)?;
        Ok(())
    }
}

/// Checks that a message is what a person can use: one line that says what and what to do, with none of the insides.
///
/// # Errors
/// Says what is wrong with it.
pub fn one_clear_line(message: &str, words: &[&str]) -> Result<String> {
    let lines: Vec<_> = message.lines().filter(|line| !line.is_empty()).collect();
    let [line] = lines[..] else {
        bail!("{} lines where one was due:\n{message}", lines.len());
    };
    for inside in [
        "panicked",
        "stack backtrace",
        "RUST_BACKTRACE",
        "Status {",
        "Error {",
        "Err(",
        "Some(",
        "Os {",
        "kind: ",
        "not yet implemented",
    ] {
        ensure!(!line.contains(inside), "shows its insides: {line}");
    }
    for word in words {
        ensure!(
            line.to_lowercase().contains(&word.to_lowercase()),
            "does not say {word:?}: {line}"
        );
    }
    Ok(line.to_owned())
}
