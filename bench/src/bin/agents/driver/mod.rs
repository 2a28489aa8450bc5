//! What is measured, step by step.

mod authority;
mod cluster;
mod crowd;
mod enrolment;
mod measured;
mod meter;
mod progress;
mod stage;
mod table;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use cattery_bench::Store;
use cattery_tests::programs;
use clap::{Parser, ValueEnum};

use cluster::Cluster;
use crowd::Crowd;
use measured::{Measured, Stage};
use progress::say;
use stage::Extent;

/// The smaller crowd is this part of the greater one.
const PEER: usize = 10;

/// Measures an authority under simulated agents, and again under a tenth of them.
///
/// Fails where an agent was refused for good, or the authority takes 1 GiB or more while all agents are idle.
#[derive(Parser)]
#[command(name = "agents", max_term_width = 100)]
pub(crate) struct Args {
    /// How many agents
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=16_000))]
    agents: u32,
    /// How many services they belong to
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    services: u16,
    /// What the authority keeps its state in
    #[arg(long, value_enum, default_value_t)]
    store: Store,
    /// How long the agents stay idle, seconds: three beats and some
    #[arg(long, default_value_t = 100, value_name = "SECONDS")]
    idle: u64,
    /// How many ids are revoked, one after the other
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    revocations: u32,
    /// Where `cattery` and `cattery-authority` are [default: beside this program]
    #[arg(long, value_name = "DIR")]
    profile_dir: Option<PathBuf>,
    /// Who reads the output
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
    /// Be the agents
    #[arg(long, hide = true)]
    pub(crate) crowd: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Output {
    /// A table
    #[default]
    Human,
    /// JSON on one line
    Json,
}

/// Measures, prints, and judges.
///
/// # Errors
/// Something could not be measured.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    if let Some(folder) = &args.profile_dir {
        programs::look_in(folder.canonicalize()?);
    }
    let measured = measure(args).await?;
    let text = match args.output {
        Output::Human => table::of(&measured),
        Output::Json => serde_json::to_string(&measured)?,
    };
    writeln!(io::stdout(), "{text}")?;
    let failures = measured.failures();
    for failure in &failures {
        say(&format!("FAILED: {failure}"));
    }
    Ok(match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn measure(args: &Args) -> Result<Measured> {
    let agents = usize::try_from(args.agents)?;
    let mut cluster = Cluster::start(args.store, args.services).await?;
    let mut crowd = Crowd::start()?;
    let extent = Extent {
        idle: Duration::from_secs(args.idle),
        revocations: args.revocations,
    };
    let mut stages: Vec<Stage> = Vec::new();
    let mut enrolled = 0;
    for count in [agents / PEER, agents] {
        let enrolment = enrolment::run(&mut cluster, &mut crowd, enrolled, count).await?;
        enrolled = count;
        stages.push(stage::run(&mut cluster, &mut crowd, count, enrolment, extent).await?);
    }
    Ok(Measured {
        store: args.store,
        services: args.services,
        profile: match cfg!(debug_assertions) {
            true => "debug",
            false => "release",
        },
        stages,
    })
}
