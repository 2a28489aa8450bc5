//! `cattery user`: the people and scripts that call services.

use anyhow::Context as _;
use cattery_core::{ServiceName, UserName};
use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::{Context, api_key, grant};
use crate::{authority::Session, clock, exit::Done};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register a user
    #[command(after_help = "\
Examples:
  cattery user add alice
  cattery user add alice --grant photos --api-key > alice.api-key     all of the onboarding at once
  cattery login < alice.api-key                                       on Alice's machine")]
    Add {
        /// The name, without `user/`
        name: UserName,
        /// A service that the user may call; any number of them
        #[arg(long, value_name = "SERVICE", num_args = 1..)]
        grant: Vec<ServiceName>,
        /// Make an API key too, and print it alone
        #[arg(long)]
        api_key: bool,
    },
    /// List all users
    #[command(after_help = "Example:\n  cattery user list")]
    List,
    /// Stop issuing keys to a user, and revoke those they hold
    #[command(after_help = "Example:\n  cattery user disable alice")]
    Disable {
        /// The name, without `user/`
        name: UserName,
    },
    /// What users log in with
    #[command(subcommand)]
    ApiKey(api_key::Command),
}

#[derive(Serialize)]
struct Row {
    name: String,
    version: u32,
    state: String,
    created_at: u64,
    api_keys: u32,
}

#[derive(Serialize)]
struct Onboarded<'a> {
    user: Row,
    grants: Vec<grant::Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home).await?;
    match command {
        Command::Add {
            name,
            grant,
            api_key,
        } => add(&mut session, context, &name, &grant, api_key).await?,
        Command::List => list(&mut session, context).await?,
        Command::Disable { name } => {
            let answer = session
                .admin
                .disable_user(v1::DisableUserRequest { name: name.into() })
                .await;
            let user = answer
                .map_err(|status| session.refused(&status))?
                .into_inner()
                .user;
            let row = Row::from(user.unwrap_or_default());
            context.out.show(&row, |row| {
                format!(
                    "user/{} gets no more keys, and those below version {} are revoked as soon as agents hear of it",
                    row.name, row.version
                )
            })?;
        }
        Command::ApiKey(command) => return api_key::run(command, context).await,
    }
    Ok(Done::Well)
}

async fn add(
    session: &mut Session,
    context: &Context,
    name: &UserName,
    services: &[ServiceName],
    api_key: bool,
) -> anyhow::Result<()> {
    let request = v1::AddUserRequest {
        name: name.as_str().to_owned(),
    };
    let answer = session.admin.add_user(request).await;
    let user = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .user;
    let mut grants = Vec::new();
    for service in services {
        let request = v1::AddGrantRequest {
            principal: format!("user/{name}"),
            service: service.as_str().to_owned(),
            ..Default::default()
        };
        let answer = session.admin.add_grant(request).await;
        let answer = answer.map_err(|status| session.refused(&status));
        let answer = answer.with_context(|| {
            format!("user/{name} is registered, but may not call {service} yet")
        })?;
        grants.push(grant::Row::from(
            answer.into_inner().grant.unwrap_or_default(),
        ));
    }
    let made = if api_key {
        let made = api_key::create(session, name, 0).await;
        Some(made.with_context(|| format!("user/{name} is registered, but has no API key yet"))?)
    } else {
        None
    };
    let shown = Onboarded {
        user: Row::from(user.unwrap_or_default()),
        grants,
        api_key: made.as_ref().map(|made| made.text.as_str()),
    };
    context.out.show(&shown, |shown| match shown.api_key {
        Some(text) => text.to_owned(),
        None => registered(shown),
    })
}

fn registered(shown: &Onboarded<'_>) -> String {
    let name = &shown.user.name;
    let mut next = String::new();
    if shown.grants.is_empty() {
        next += &format!(" cattery grant add user/{name} SERVICE, then");
    }
    format!("user/{name} is registered; next:{next} cattery user api-key create {name}")
}

async fn list(session: &mut Session, context: &Context) -> anyhow::Result<()> {
    let answer = session.admin.list_users(v1::ListUsersRequest {}).await;
    let users = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .users;
    let rows: Vec<Row> = users.into_iter().map(Row::from).collect();
    context.out.list(
        &rows,
        ["name", "state", "version", "api keys", "created"],
        |row| {
            [
                row.name.clone(),
                row.state.clone(),
                row.version.to_string(),
                row.api_keys.to_string(),
                clock::cell(row.created_at),
            ]
        },
    )
}

impl From<v1::User> for Row {
    fn from(user: v1::User) -> Self {
        Self {
            name: user.name,
            version: user.version,
            state: user.state,
            created_at: user.created_at,
            api_keys: user.api_keys,
        }
    }
}
