//! Measures Cattery's tokens beside those that people would pick instead, in one process and in rounds that take turns.
#![deny(unsafe_code)]

mod allocations;
mod check;
mod claims;
mod measure;
mod packages;
mod peer;
mod report;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Parser;

/// Measures Cattery's tokens beside others, and writes `peers.md`.
#[derive(Parser)]
struct Args {
    /// Where the page and the plots go
    #[arg(long, default_value = "docs/speed")]
    out: PathBuf,
    /// So few rounds that the figures say nothing: whether the measurements run at all
    #[arg(long)]
    smoke: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let mut peers = peer::all()?;
    for peer in &mut peers {
        let name = peer.about().name;
        check::check(&mut **peer).context(name)?;
    }
    let measured = measure::measure(&mut peers, args.smoke)?;
    report::page(&measured)?.write("peers", "bench/run peers", &args.out)
}
