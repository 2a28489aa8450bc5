//! `cattery doctor`: what is broken in an installation, and what to do about it.
//!
//! Each file looks at one kind of thing: it gathers facts, and a pure `judge` makes findings of them. Nothing is changed, no
//! secret is read where its file's mode says enough, and whatever is waited for is waited for in parallel and not for long.

mod agent;
mod authority;
mod cluster;
mod disk;
mod etcd;
mod files;
mod finding;
mod lock;
mod moments;
mod reach;
mod running;
mod socket;

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::{
    commands::Context,
    exit::{Done, Usage},
};

use cluster::Cluster;
use finding::Report;

#[derive(ClapArgs)]
#[command(after_help = "\
Looks at the cluster as the operator of this home reaches it, if there is one, and at what else is named. Run it as the user that
the program in DIR runs as. It changes nothing, and prints no secret.
Exits 1 where something is broken. Warnings leave time, and do not change the exit code.

Examples:
  cattery doctor                                       the cluster, for an operator
  cattery doctor --agent-dir /var/lib/cattery-agent    an agent on this machine
  cattery doctor --authority-dir /var/lib/cattery      an authority on this machine")]
pub(crate) struct Args {
    /// An agent's directory on this machine
    #[arg(long, value_name = "DIR")]
    agent_dir: Option<PathBuf>,
    /// The agent's configuration, in place of DIR/agent.toml
    #[arg(long, value_name = "FILE", requires = "agent_dir")]
    agent_config: Option<PathBuf>,
    /// An authority's directory on this machine
    #[arg(long, value_name = "DIR")]
    authority_dir: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let Cluster {
        mut findings,
        active_epoch,
    } = match context.home() {
        Ok(home) => cluster::check(&home).await,
        // Nobody has to have a home to look at a directory.
        Err(_) if args.agent_dir.is_some() || args.authority_dir.is_some() => Cluster {
            findings: Vec::new(),
            active_epoch: None,
        },
        Err(why) => return Err(why),
    };
    if let Some(dir) = &args.authority_dir {
        findings.extend(authority::check(dir).await);
    }
    if let Some(dir) = &args.agent_dir {
        findings.extend(agent::check(dir, args.agent_config.as_deref(), active_epoch).await);
    }
    if findings.is_empty() {
        return Err(Usage(
            "nobody is an operator in this home, so there is nothing to look at: name --agent-dir DIR or --authority-dir DIR, or the \
             right --home"
                .to_owned(),
        )
        .into());
    }
    let report = Report::new(findings);
    context.out.show(&report, Report::describe)?;
    Ok(if report.is_well() {
        Done::Well
    } else {
        Done::Refused
    })
}
