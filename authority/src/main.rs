//! `cattery-authority`: runs the authority of a cluster.
#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use cattery_authority::app::SOCKETS;
use cattery_authority::logging;
use cattery_sdk::systemd::HandedSockets;
use clap::Parser as _;
use commands::{Command, Program};

fn main() -> ExitCode {
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(problem) => return commands::usage(&problem),
    };
    match story(program.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn story(command: Command) -> anyhow::Result<()> {
    cattery_locked::harden_process()?;
    match command {
        Command::Run(run) => {
            let handed = HandedSockets::take(SOCKETS)?;
            let config = run.config()?;
            let passphrase = run.passphrase()?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            let exporting = {
                let _within = runtime.enter();
                logging::start(&config.log, config.traces.as_ref())?
            };
            let served = runtime.block_on(commands::serve(config, passphrase, handed));
            if let Some(exporting) = exporting {
                exporting.finish();
            }
            served
        }
        Command::Unseal(place) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(commands::unseal(&place)),
        Command::Health(place) => commands::health(&place),
        Command::Config(config) => config.check(),
        Command::Completions { shell } => commands::completions(shell),
    }
}
