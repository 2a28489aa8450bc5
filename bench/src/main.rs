//! Measures Cattery beside what people would pick instead, and writes a report. `bench/README.md` says how to run it.
#![forbid(unsafe_code)]

mod agent;
mod authority;
mod cache;
mod constant_time;
mod core;
mod envoy;
mod group;
mod in_process;
mod once;
mod peers;
mod program;
mod records;
mod role;
mod scale;
mod tokens;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum as _};

use group::Group;
use role::Role;

/// Measures, and writes a page for each group.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    role: Option<Role>,
    /// The groups to measure; all of them if there is none
    #[arg(value_enum)]
    groups: Vec<Group>,
    /// Where the pages and plots go
    #[arg(long, default_value = "docs/speed")]
    out: PathBuf,
    /// So little work that the figures say nothing: whether the measurements run at all
    #[arg(long)]
    smoke: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if let Some(role) = &args.role {
        return role.play();
    }
    let groups = match &args.groups[..] {
        [] => Group::value_variants(),
        groups => groups,
    };
    for group in groups {
        let name = group.name();
        say(&format!("{name}: measuring"));
        group.write(args.smoke, &args.out).context(name.clone())?;
        say(&format!(
            "{}",
            args.out.join(format!("{name}.md")).display()
        ));
    }
    Ok(())
}

/// Where standard error is closed there is nobody left to tell.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "bench: {line}");
}
