//! `cattery ca`: the cluster's certificate authorities.

mod schedule;

use anyhow::{Context as _, bail};
use cattery_proto::v1::{self, CaRefusal, KeyCommand};
use clap::Subcommand;
use serde::Serialize;

use super::Context;
use crate::{
    authority::{Session, learn},
    exit::Done,
    home::Home,
    out,
    plain::plain,
    rotation::{Behind, agent_lines},
};
use schedule::Schedule;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the CAs, and what the next step waits for
    #[command(after_help = "Example:\n  cattery ca show")]
    Show,
    /// Turn the CA over: make the next one, unless that was done, which signs when everybody knows it
    #[command(after_help = "\
A CA is turned over by itself when a third of its life is left. The next one is trusted from when it is made, and signs
when every live agent has acknowledged it and every lease of before has ended. The one before stays trusted for as long as
somebody has a certificate of it, or an API key or a join token that names it.

Examples:
  cattery ca rotate
  cattery ca rotate --force     let it sign at once: whoever does not know it finds the way by the one before")]
    Rotate {
        /// Let it sign at once
        #[arg(long)]
        force: bool,
    },
    /// End the trust in the CA that signs no more. That happens by itself when nobody needs it
    #[command(after_help = "\
Examples:
  cattery ca retire
  cattery ca retire --force     whoever still needs it is refused: agents come back by themselves, others need a new text")]
    Retire {
        /// Do not care for those who need it: `cattery ca show` tells who they are
        #[arg(long)]
        force: bool,
    },
}

#[derive(Serialize)]
struct Changed {
    #[serde(flatten)]
    schedule: Schedule,
    /// Agents that the step left behind.
    left_behind: Vec<Behind>,
    left_behind_count: u32,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let home = context.home()?;
    match command {
        Command::Show => {
            let mut session = Session::open(&home).await?;
            let answer = session.admin.get_cas(v1::GetCasRequest {}).await;
            let answer = answer.map_err(|status| session.refused(&status))?;
            let schedule = Schedule::read(answer.into_inner().schedule)?;
            context.out.show(&schedule, Schedule::describe)?;
        }
        Command::Rotate { force } => {
            let mut session = Session::open(&home).await?;
            let mut changed = step(&mut session, KeyCommand::Prepare, false).await?;
            if force {
                changed = step(&mut session, KeyCommand::Activate, true).await?;
            }
            keep(&home, &mut session).await;
            show(changed, context)?;
        }
        Command::Retire { force } => {
            // Its own certificate may be one that would be refused.
            let mut session = Session::open_renewed(&home).await?;
            let changed = step(&mut session, KeyCommand::Retire, force).await?;
            keep(&home, &mut session).await;
            show(changed, context)?;
        }
    }
    Ok(Done::Well)
}

async fn step(
    session: &mut Session,
    command: KeyCommand,
    force: bool,
) -> anyhow::Result<v1::ChangeCasResponse> {
    let request = v1::ChangeCasRequest {
        command: command.into(),
        force,
    };
    let answer = session.admin.change_cas(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    match answer.refusal() {
        CaRefusal::Unspecified => Ok(answer),
        // A second run goes on where the first one stopped.
        CaRefusal::AlreadyPrepared => Ok(answer),
        CaRefusal::StillNeeded => {
            let schedule = Schedule::read(answer.schedule)?;
            bail!(
                "{}; wait, or end it with --force, which refuses them",
                schedule.need().context("the authority did not say why")?
            );
        }
        _ => bail!("{}", plain(&answer.why)),
    }
}

/// Whom to trust is news at once for whoever turned it over.
async fn keep(home: &Home, session: &mut Session) {
    let request = v1::GetClusterStatusRequest {};
    let kept = match session.admin.get_cluster_status(request).await {
        Ok(status) => learn(home, &status.into_inner()),
        Err(status) => Err(session.refused(&status)),
    };
    if let Err(error) = kept {
        tracing::warn!("the cluster's new trust bundle was not kept: {error:#}");
    }
}

fn show(answer: v1::ChangeCasResponse, context: &Context) -> anyhow::Result<()> {
    let changed = Changed {
        left_behind: answer.agents.into_iter().map(Behind::from).collect(),
        left_behind_count: answer.agent_count,
        schedule: Schedule::read(answer.schedule)?,
    };
    context.out.show(&changed, |changed| {
        let mut text = changed.schedule.describe();
        if changed.left_behind_count > 0 {
            let count = out::counted(changed.left_behind_count, "agent");
            text += &format!("{count} had not acknowledged the CA that signs now:\n");
            let lines = agent_lines(&changed.left_behind, changed.left_behind_count);
            text += &lines.join("\n");
        }
        text
    })
}
