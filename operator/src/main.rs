//! The command line of Cattery, for operators and for users.
#![forbid(unsafe_code)]

mod address;
mod agent;
mod authority;
mod caveat_text;
mod cli;
mod clock;
mod commands;
mod conditions;
mod confirm;
mod dev;
mod doctor;
mod exit;
mod home;
mod input;
mod logging;
mod out;
mod own;
mod patience;
mod plain;
mod random;
mod reach;
mod rotation;
mod shell;
mod signals;
mod third_party;
mod user_keys;

use std::process::ExitCode;

use anyhow::Context as _;

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    exit::code(run(cli))
}

fn run(cli: cli::Cli) -> anyhow::Result<exit::Done> {
    cattery_locked::harden_process().context("this process cannot be protected from being read")?;
    logging::start(cli.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no threads can be started")?;
    let done = runtime.block_on(cli.run());
    runtime.shutdown_background();
    done
}
