//! `cattery service`: the services that tokens are for.

mod disable;
mod join_token;
mod show;

use cattery_core::ServiceName;
use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::{Context, epoch::Turning};
use crate::{authority::Session, clock, exit::Done, plain::plain, rotation::Keys};

pub(crate) use join_token::join_token;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register a service
    #[command(after_help = "Example:\n  cattery service add photos")]
    Add {
        /// Its name: up to 63 of a-z 0-9 . _ -
        name: ServiceName,
    },
    /// List all services
    #[command(after_help = "Example:\n  cattery service list")]
    List,
    /// Show a service with its agents and who may call it
    #[command(after_help = "Example:\n  cattery service show photos")]
    Show {
        /// The service
        name: ServiceName,
    },
    /// Make a single-use join token for one agent of a service, and print it alone
    #[command(after_help = "\
Example:
  (umask 077; cattery service join-token photos > photos.join-token)")]
    JoinToken {
        /// The service
        name: ServiceName,
        /// How long it is good for, up to 7d [default: 1h]
        #[arg(long, value_name = "SPAN", value_parser = clock::parse_span, allow_hyphen_values = true)]
        ttl: Option<u64>,
    },
    /// Turn the service's key over: prepare the next generation, unless that was done, and make it active
    #[command(after_help = "\
Like `cattery epoch rotate`, for one service: the next generation becomes active when every live agent of the service \
holds it; the old one drains, and user keys from it stay good until they end. A generation that is prepared becomes active \
by itself as soon as that is possible, also without this command.

Examples:
  cattery service rotate-key photos --wait
  cattery service rotate-key photos --compromised     somebody else knows the key")]
    RotateKey {
        /// The service
        name: ServiceName,
        #[command(flatten)]
        rotate: Turning,
        /// A fresh key at once, and the end of all others: every user key and token for the service is dead
        #[arg(long, conflicts_with_all = ["force", "wait"])]
        compromised: bool,
        /// Do not ask whether to go ahead
        #[arg(long, requires = "compromised")]
        yes: bool,
    },
    /// Take a service out of use: its agents lose access, and nobody gets keys for it
    #[command(after_help = "Example:\n  cattery service disable photos")]
    Disable {
        /// The service
        name: ServiceName,
        /// Do not ask whether to go ahead
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Serialize)]
struct Row {
    name: String,
    generation: u32,
    created_at: u64,
    agent_count: u32,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    match command {
        Command::Add { name } => add(name, context).await?,
        Command::List => list(context).await?,
        Command::Show { name } => show::run(name, context).await?,
        Command::JoinToken { name, ttl } => {
            join_token::run(&name, ttl.unwrap_or(0), context).await?;
        }
        Command::RotateKey {
            name,
            rotate,
            compromised,
            yes,
        } => {
            let replace = compromised.then_some("compromised");
            return rotate.run(Keys::Service(name), replace, yes, context).await;
        }
        Command::Disable { name, yes } => return disable::run(&name, yes, context).await,
    }
    Ok(Done::Well)
}

async fn add(name: ServiceName, context: &Context) -> anyhow::Result<()> {
    let mut session = Session::open(&context.home()?).await?;
    let request = v1::AddServiceRequest { name: name.into() };
    let answer = session.admin.add_service(request).await;
    let service = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .service;
    let row = Row::from(service.unwrap_or_default());
    context.out.show(&row, |row| {
        format!(
            "service/{name} is registered; next, for its agent: cattery service join-token {name}",
            name = plain(&row.name)
        )
    })
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let mut session = Session::open(&context.home()?).await?;
    let answer = session
        .admin
        .list_services(v1::ListServicesRequest {})
        .await;
    let services = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .services;
    let rows: Vec<Row> = services.into_iter().map(Row::from).collect();
    context
        .out
        .list(&rows, ["name", "generation", "agents", "created"], |row| {
            [
                row.name.clone(),
                row.generation.to_string(),
                row.agent_count.to_string(),
                clock::cell(row.created_at),
            ]
        })
}

impl From<v1::Service> for Row {
    fn from(service: v1::Service) -> Self {
        Self {
            name: service.name,
            generation: service.generation,
            created_at: service.created_at,
            agent_count: service.agents,
        }
    }
}
