//! The README's production start, as it stands there and pasted in one go: what a newcomer does.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{ports, programs::Program, town::Folder, wait};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::say;

const README: &str = include_str!("../../../README.md");

/// The `sh` block with this line in it.
fn block(line: &str) -> Result<&'static str> {
    let blocks = README.split("```sh\n").skip(1);
    let mut texts = blocks.filter_map(|rest| rest.split("```").next());
    let found = texts.find(|text| text.contains(line));
    found.with_context(|| format!("the README has a block with `{line}`"))
}

/// A shell that finds the programs, in a process group of its own.
fn shell(script: &str, folder: &Path) -> Result<Command> {
    let programs = Program::Cli.path()?;
    let programs = programs.parent().context("a program lies in a folder")?;
    let path = format!("{}:{}", programs.display(), std::env::var("PATH")?);
    let mut command = Command::new("sh");
    command.arg("-ec").arg(script).env("PATH", path);
    command.env("CATTERY_HOME", folder.join("home"));
    command.env_remove("CATTERY_AGENT_SOCKET");
    command.stdin(Stdio::null()).process_group(0);
    Ok(command)
}

/// What runs in the background until the story ends.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

#[test]
fn production_starts_as_the_readme_says() -> Result<()> {
    let folder = Folder::new()?;
    let address = ports::free()?;
    let here = |text: &str| {
        // Loopback alone, and nothing outside the story's folder.
        text.replace("/var/lib", &folder.path().to_string_lossy())
            .replace(
                "auth.example.org:7443",
                &format!("{address} --listen {address}"),
            )
    };
    let start = here(block("cattery init")?);
    ensure!(start.lines().count() == 5, "five commands: {start}");
    let log = fs::File::create(folder.path().join("start.log"))?;
    let mut started = shell(&start, folder.path())?
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let group = Group(Pid::from_child(&started));
    let status = started.wait()?;
    let said = fs::read_to_string(folder.path().join("start.log"))?;
    ensure!(status.success(), "{start}\n{said}");

    let use_it = here(block("cattery mint photos | cattery verify")?);
    let verify = use_it.lines().next().context("a line")?;
    // The agent may still be enrolling.
    let verified = wait::until("the token is verified", || {
        let output = shell(verify, folder.path())?.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(text))
    })?;
    ensure!(verified.contains("user/alice"), "{verified}");
    say(&format!("$ {verify}\n{verified}"));
    drop(group);
    Ok(())
}
