//! Ten thousand agents at one authority: how long their keys take, and what they cost.
//!
//! Three kinds of processes, so that each one's memory and open files are its own: this one, which measures; an authority; and
//! this program once more (`--crowd`), which is all of the agents.
#![forbid(unsafe_code)]

mod crowd;
mod driver;
mod files;
mod messages;
mod moment;
mod spread;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;

fn main() -> ExitCode {
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(story()));
    match done {
        Ok(code) => code,
        Err(error) => {
            // Where standard error is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "agents: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn story() -> anyhow::Result<ExitCode> {
    let args = driver::Args::parse();
    files::raise_limit()?;
    if args.crowd {
        crowd::run().await?;
        return Ok(ExitCode::SUCCESS);
    }
    driver::run(&args).await
}
