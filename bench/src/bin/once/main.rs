//! What binding and single use cost: on the way of verifying, and through a real agent, whose memory is its own or shared through a real
//! authority. `bench/README.md` has the figures.
//!
//! Each kind of token is compared with a plain one in the same run; their rounds take turns, so that both meet the same machine.
#![forbid(unsafe_code)]

mod calls;
mod core;
mod place;
mod tokens;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use cattery_report::out::say;
use clap::{Parser, ValueEnum};

use place::Place;

/// Where the authority keeps its state.
#[derive(Clone, Copy, ValueEnum)]
enum Store {
    /// In its own file.
    Embedded,
    /// In an etcd of one member, which `./test` installs.
    Etcd,
}

/// Measures binding and single use.
#[derive(Parser)]
struct Args {
    /// The store that the shared memory is in
    #[arg(long, value_enum, default_value = "embedded")]
    store: Store,
    /// Tokens of each kind in each round
    #[arg(long, default_value_t = 2_000)]
    tokens: usize,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "once: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> anyhow::Result<()> {
    say(&core::binding()?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let place = Place::start(args.store).await?;
        for at_once in [1, 64] {
            say(&calls::measure(&place, args, at_once).await?)?;
        }
        Ok(())
    })
}

fn ratio(of: u128, to: u128) -> String {
    let hundredths = of * 100 / to.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
