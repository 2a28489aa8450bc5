//! `cattery service`: the services that tokens are for.

use cattery_core::ServiceName;
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_JOIN_TOKEN, ReceiverKey};
use clap::Subcommand;
use serde::Serialize;

use super::{Context, grant};
use crate::{
    authority::{Session, open_text},
    clock,
    exit::Done,
    out::{self, Format},
    plain::plain,
};

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
}

#[derive(Serialize)]
struct Row {
    name: String,
    generation: u32,
    created_at: u64,
    agent_count: u32,
}

#[derive(Serialize)]
struct Agent {
    agent_id: String,
    enrolled_at: u64,
    certificate_not_after: u64,
    last_contact: Option<u64>,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    service: Row,
    agents: Vec<Agent>,
    grants: Vec<grant::Row>,
}

#[derive(Serialize)]
struct JoinToken<'a> {
    service: &'a str,
    join_token: &'a str,
    expires_at: u64,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    match command {
        Command::Add { name } => {
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
            })?;
        }
        Command::List => list(&mut session, context).await?,
        Command::Show { name } => show(&mut session, context, name).await?,
        Command::JoinToken { name, ttl } => {
            let made = join_token(&mut session, &name, ttl.unwrap_or(0)).await?;
            if context.out == Format::Human {
                out::note(&format!(
                    "single-use, good until {}",
                    clock::both(made.expires_at, clock::now())
                ));
            }
            let shown = JoinToken {
                service: name.as_str(),
                join_token: &made.text,
                expires_at: made.expires_at,
            };
            context.out.show_secret(
                &shown,
                |shown| shown.join_token.to_owned(),
                || {
                    format!(
                        "a join token for service/{name} was made and nobody saw it; it ends {}. For another one: `cattery \
                         service join-token {name}`",
                        clock::both(made.expires_at, clock::now())
                    )
                },
            )?;
        }
    }
    Ok(Done::Well)
}

/// A join token, as the authority made it.
pub(crate) struct Made {
    /// `catjoin1_…`.
    pub(crate) text: zeroize::Zeroizing<String>,
    /// Unix seconds.
    pub(crate) expires_at: u64,
}

/// Asks for a join token for one agent of `service`.
pub(crate) async fn join_token(
    session: &mut Session,
    service: &ServiceName,
    ttl_seconds: u64,
) -> anyhow::Result<Made> {
    let receiver = ReceiverKey::generate()?;
    let request = v1::CreateJoinTokenRequest {
        service: service.as_str().to_owned(),
        ttl_seconds,
        receiver_public_key: receiver.public_key().to_vec(),
    };
    let answer = session.admin.create_join_token(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    Ok(Made {
        text: open_text(
            &receiver,
            INFO_JOIN_TOKEN,
            answer.sealed_join_token.as_ref(),
        )?,
        expires_at: answer.expires_at,
    })
}

async fn list(session: &mut Session, context: &Context) -> anyhow::Result<()> {
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

async fn show(session: &mut Session, context: &Context, name: ServiceName) -> anyhow::Result<()> {
    let answer = session
        .admin
        .get_service(v1::GetServiceRequest { name: name.into() })
        .await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let shown = Shown {
        service: Row::from(answer.service.unwrap_or_default()),
        agents: answer.agents.into_iter().map(Agent::from).collect(),
        grants: answer.grants.into_iter().map(grant::Row::from).collect(),
    };
    context.out.show(&shown, describe)
}

fn describe(shown: &Shown) -> String {
    let Row {
        name,
        generation,
        created_at,
        ..
    } = &shown.service;
    let name = plain(name);
    let mut text = format!(
        "service/{name}, key generation {generation}, registered {}\n",
        clock::absolute(*created_at)
    );
    if shown.agents.is_empty() {
        text +=
            &format!("\nNo agent has enrolled. Invite one: cattery service join-token {name}\n");
    } else {
        let rows = shown.agents.iter().map(|agent| {
            [
                agent.agent_id.clone(),
                clock::cell(agent.enrolled_at),
                clock::cell(agent.certificate_not_after),
                clock::cell(agent.last_contact),
            ]
        });
        let header = ["agent", "enrolled", "certificate until", "last contact"];
        text += &format!("\n{}\n", out::table(header, rows));
    }
    if shown.grants.is_empty() {
        text +=
            &format!("\nNobody may call it. Let somebody: cattery grant add user/NAME {name}\n");
    } else {
        text += &format!(
            "\n{}\n",
            out::table(grant::HEADER, shown.grants.iter().map(grant::Row::cells))
        );
    }
    text
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

impl From<v1::AgentInfo> for Agent {
    fn from(agent: v1::AgentInfo) -> Self {
        Self {
            agent_id: agent.agent_id,
            enrolled_at: agent.enrolled_at,
            certificate_not_after: agent.certificate_not_after,
            last_contact: clock::some(agent.last_contact),
        }
    }
}
