//! `cattery agent`: the sidecars that verify, and what they hold.

mod evict;
mod row;

use cattery_core::ServiceName;
use cattery_proto::v1;
use clap::Subcommand;

use super::Context;
use crate::{authority::Session, clock, exit::Done};

pub(crate) use row::{HEADER, Row};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List all agents, or those of one service, and what they hold
    #[command(after_help = "\
Examples:
  cattery agent list
  cattery agent list photos --output json")]
    List {
        /// Only of this service
        service: Option<ServiceName>,
    },
    /// End an agent's access for good, and replace the key of its service, which the agent knows
    #[command(after_help = "\
Examples:
  cattery agent evict 0123456789abcdef               a machine in wrong hands
  cattery agent evict 0123456789abcdef --planned     a machine that was given up")]
    Evict {
        /// The ID that `cattery agent list` shows
        id: String,
        /// Prepare a new key, in place of replacing the old one at once: user keys for the service stay good until they end
        #[arg(long)]
        planned: bool,
        /// Do not ask whether to go ahead
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    match command {
        Command::List { service } => list(service, context).await,
        Command::Evict { id, planned, yes } => evict::run(id, planned, yes, context).await,
    }
}

async fn list(service: Option<ServiceName>, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    let service = service.map(String::from).unwrap_or_default();
    let (rows, now) = all(&mut session, service).await?;
    let cells = |row: &Row| row.cells_with_service(now);
    context.out.list(&rows, row::HEADER_WITH_SERVICE, cells)?;
    Ok(Done::Well)
}

/// The agents of a service, or all of them where it is empty, and the authority's clock, Unix seconds.
async fn all(session: &mut Session, service: String) -> anyhow::Result<(Vec<Row>, u64)> {
    let request = v1::ListAgentsRequest { service };
    let answer = session.admin.list_agents(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let now = clock::some(answer.server_time).unwrap_or_else(clock::now);
    Ok((answer.agents.into_iter().map(Row::from).collect(), now))
}
