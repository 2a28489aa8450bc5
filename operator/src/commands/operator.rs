//! `cattery operator`: the people who run the cluster.

use cattery_core::ServiceName;
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_JOIN_TOKEN, ReceiverKey};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::Context;
use crate::{
    authority::{Session, open_text},
    clock,
    exit::Done,
    out,
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Invite an operator: prints a single-use join token for `cattery login`
    #[command(after_help = "\
Examples:
  (umask 077; cattery operator add carol --role operator > carol.join-token)
  cattery login < carol.join-token         on Carol's machine, once")]
    Add {
        /// Up to 63 of a-z 0-9 . _ -
        #[arg(value_parser = name)]
        name: String,
        /// What they may do
        #[arg(long, value_enum, default_value_t = Role::Operator)]
        role: Role,
    },
    /// List all operators
    #[command(after_help = "Example:\n  cattery operator list --output json")]
    List,
    /// End an operator's access at once
    #[command(after_help = "Example:\n  cattery operator revoke carol")]
    Revoke {
        /// The operator
        #[arg(value_parser = name)]
        name: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Changes operators too
    Admin,
    /// Changes services, users and grants
    Operator,
    /// Reads
    Auditor,
}

#[derive(Serialize)]
struct Invitation<'a> {
    name: &'a str,
    role: &'a str,
    join_token: &'a str,
    expires_at: u64,
}

#[derive(Serialize)]
struct Row {
    name: String,
    role: String,
    state: String,
    created_at: u64,
    certificate_not_after: Option<u64>,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    match command {
        Command::Add { name, role } => add(&mut session, context, &name, role).await?,
        Command::List => list(&mut session, context).await?,
        Command::Revoke { name } => {
            let request = v1::RevokeOperatorRequest { name: name.clone() };
            let answer = session.admin.revoke_operator(request).await;
            answer.map_err(|status| session.refused(&status))?;
            let shown = serde_json::json!({ "name": name, "state": "revoked" });
            context.out.show(&shown, |_| {
                format!("operator/{name} has no access any more")
            })?;
        }
    }
    Ok(Done::Well)
}

async fn add(
    session: &mut Session,
    context: &Context,
    name: &str,
    role: Role,
) -> anyhow::Result<()> {
    let receiver = ReceiverKey::generate()?;
    let role = match role {
        Role::Admin => "admin",
        Role::Operator => "operator",
        Role::Auditor => "auditor",
    };
    let request = v1::AddOperatorRequest {
        name: name.to_owned(),
        role: role.to_owned(),
        receiver_public_key: receiver.public_key().to_vec(),
    };
    let answer = session.admin.add_operator(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let join_token = open_text(
        &receiver,
        INFO_JOIN_TOKEN,
        answer.sealed_join_token.as_ref(),
    )?;
    let expires_at = answer.expires_at;
    let shown = Invitation {
        name,
        role,
        join_token: &join_token,
        expires_at,
    };
    if context.out == out::Format::Human {
        out::note(&format!(
            "single-use, good until {}; {name} runs `cattery login` with it on standard input",
            clock::both(expires_at, clock::now())
        ));
    }
    context.out.show_secret(
        &shown,
        |shown| shown.join_token.to_owned(),
        || {
            format!(
                "operator/{name} is invited and nobody saw the join token: `cattery operator add {name} --role {role}` makes \
                 another one, which ends this one"
            )
        },
    )
}

/// The name of an operator, which has the form of a service's.
pub(crate) fn name(text: &str) -> Result<String, String> {
    match text.parse::<ServiceName>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(
            "an operator's name is up to 63 of a-z 0-9 . _ -, a letter or a digit first".to_owned(),
        ),
    }
}

async fn list(session: &mut Session, context: &Context) -> anyhow::Result<()> {
    let answer = session
        .admin
        .list_operators(v1::ListOperatorsRequest {})
        .await;
    let operators = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .operators;
    let rows: Vec<Row> = operators.into_iter().map(Row::from).collect();
    let header = ["name", "role", "state", "created", "certificate until"];
    context.out.list(&rows, header, |row| {
        [
            row.name.clone(),
            row.role.clone(),
            row.state.clone(),
            clock::cell(row.created_at),
            clock::cell(row.certificate_not_after),
        ]
    })
}

impl From<v1::Operator> for Row {
    fn from(operator: v1::Operator) -> Self {
        Self {
            name: operator.name,
            role: operator.role,
            state: operator.state,
            created_at: operator.created_at,
            certificate_not_after: clock::some(operator.certificate_not_after),
        }
    }
}
