//! Programs that are asked to end do so.

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{
    dev::Dev,
    http,
    process::Process,
    programs::Program,
    town::{Folder, Town},
    wait::PATIENCE,
};
use rustix::process::Signal;

/// What programs log where something did not end by itself.
const LATE: [&str; 2] = ["still open", "did not end in time"];

#[test]
fn both_programs_end_on_both_signals() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM] {
        let mut town = Town::new()?;
        for process in [&mut town.agent.process, &mut town.authority.process] {
            let mut process = process.take().context("it runs")?;
            process.signal(signal)?;
            let status = process.wait_exit(PATIENCE)?;
            let log = process.err();
            ensure!(
                status.code() == Some(0) && !LATE.iter().any(|late| log.contains(late)),
                "{signal:?}: {status}\n{}",
                cattery_tests::process::tail(&log)
            );
        }
    }
    Ok(())
}

#[test]
fn dev_once_runs_the_whole_path() -> Result<()> {
    let folder = Folder::new()?;
    let mut command = Program::Cli.command()?;
    command.args(["dev", "--once"]).env("HOME", folder.path());
    let mut dev = Process::start("dev", command, folder.path(), None)?;
    let status = dev.wait_exit(PATIENCE)?;
    ensure!(
        status.code() == Some(0) && dev.out().contains("user/alice"),
        "{status}\n{}\n{}",
        dev.out(),
        dev.err()
    );
    Ok(())
}

#[test]
fn dev_leaves_nothing_behind() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = Folder::new()?;
        let mut dev = Dev::start(folder.path())?;
        for name in [
            "home",
            "authority",
            "agent_socket",
            "forward_auth",
            "upstream",
        ] {
            dev.entry(name)?;
        }
        let upstream = dev.address("upstream")?;
        ensure!(http::get(upstream, "/albums", &[])?.status == 401);
        dev.process.signal(signal)?;
        let status = dev.process.wait_exit(PATIENCE)?;
        ensure!(status.code() == Some(0), "{signal:?}: {status}");
        let left: Vec<_> = std::fs::read_dir(folder.path())?
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .filter(|name| name != "logs")
            .collect();
        ensure!(left.is_empty(), "left behind: {left:?}");
        ensure!(!std::path::Path::new(dev.entry("home")?).exists());
    }
    Ok(())
}
