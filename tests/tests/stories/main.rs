//! The stories: what Cattery does when everything is real, by topic.
#![forbid(unsafe_code)]

mod automatic;
mod certificate;
mod containers;
mod crash;
mod dashboard;
mod decisions;
mod doctor;
mod envoy;
mod fire;
mod foreign;
mod forward;
mod grants;
mod local;
mod main_path;
mod metrics;
mod outage;
mod own;
mod proxies;
mod quorum;
mod readme;
mod reference;
mod replayed;
mod restart;
mod restore;
mod revoked;
mod rollover;
mod rotation;
mod sealed;
mod secrets;
mod signals;
mod systemd;
mod third_party;
mod traced;
mod two_authorities;
mod wrong_inputs;

use std::time::SystemTime;

use anyhow::Result;

/// A line for whoever reads along with `--nocapture`.
#[allow(clippy::print_stdout)]
fn say(line: &str) {
    println!("{line}");
}

/// A line that is seen without `--nocapture`: a seed has to be, and what came of it.
fn say_now(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs an asynchronous story.
fn block_on<T>(story: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(story)
}

/// Waits for the next second of the clock: some rules compare whole seconds.
fn next_second() -> Result<()> {
    let second = || -> Result<u64> {
        Ok(SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_secs())
    };
    let now = second()?;
    cattery_tests::wait::until("the next second", || Ok((second()? > now).then_some(())))
}
