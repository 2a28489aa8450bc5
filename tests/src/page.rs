//! Pages of the documentation, followed to the letter: their commands, and what they say comes out.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

/// What stands between two lines of three backticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// The word behind the first ones.
    pub language: &'a str,
    /// The lines between.
    pub text: &'a str,
}

/// All of a page's blocks, in their order.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    let parts = page.split("\n```").skip(1).step_by(2);
    let block = |part| str::split_once(part, '\n');
    let blocks = parts.filter_map(block);
    blocks
        .map(|(language, text)| Block { language, text })
        .collect()
}

/// A shell whose background jobs end when this does.
pub struct Shell(Child);

impl Shell {
    /// Runs a script to its end, and leaves its background jobs running: what it wrote, to either stream.
    ///
    /// # Errors
    /// Where it cannot be started, or fails.
    pub fn run(mut command: Command, script: &str, log: &Path) -> Result<(Self, String)> {
        let file = fs::File::create(log)?;
        command.arg("-ec").arg(script).process_group(0);
        command.stdin(Stdio::null()).stdout(file.try_clone()?);
        let mut shell = Self(command.stderr(file).spawn().context("starting a shell")?);
        let status = shell.0.wait()?;
        let said = fs::read_to_string(log)?;
        ensure!(status.success(), "{script}\n{said}");
        Ok((shell, said))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
    }
}

/// Whether each line of `promised` is among those of `said`; the order of headers means nothing. `…` stands for any lines, and of a
/// decision's id the name has to be there alone.
///
/// # Errors
/// Names the line that is missing.
pub fn keeps_its_promise(promised: &str, said: &str) -> Result<()> {
    for promise in promised.lines().filter(|line| *line != "…") {
        let name = promise.split(": ").next().unwrap_or(promise);
        let is_id = name.eq_ignore_ascii_case("x-cat-decision-id");
        let is_it = |line: &str| line == promise || is_id && line.starts_with(name);
        ensure!(said.lines().any(is_it), "no line {promise:?}:\n{said}");
    }
    Ok(())
}
