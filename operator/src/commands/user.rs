//! `cattery user`: the people and scripts that call services.

use anyhow::{Context as _, bail};
use cattery_core::{ServiceName, UserName};
use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::{Context, api_key, grant};
use crate::{authority::Session, clock, exit::Done, plain::plain};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register a user
    #[command(after_help = "\
Examples:
  cattery user add alice
  (umask 077; cattery user add alice --grant photos --api-key > alice.api-key)     all at once
  cattery login < alice.api-key                                                    on her machine")]
    Add {
        /// The name, without `user/`
        name: UserName,
        /// A service that the user may call; any number of them
        #[arg(long, value_name = "SERVICE")]
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
    /// Revoke the keys that a user holds. They get new ones when they ask: for a key in wrong hands
    #[command(after_help = "Example:\n  cattery user revoke alice")]
    Revoke {
        /// The name, without `user/`
        name: UserName,
    },
    /// What users log in with
    #[command(
        subcommand,
        after_help = "\
Example:
  (umask 077; cattery user api-key create alice > alice.api-key)"
    )]
    ApiKey(api_key::Command),
}

#[derive(Serialize)]
struct Row {
    name: String,
    version: u32,
    state: String,
    created_at: u64,
    api_key_count: u32,
}

#[derive(Serialize)]
struct Onboarded<'a> {
    #[serde(flatten)]
    user: Row,
    grants: Vec<grant::Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    match command {
        Command::Add {
            name,
            grant,
            api_key,
        } => add(&mut session, context, &name, grant, api_key).await?,
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
                    plain(&row.name), row.version
                )
            })?;
        }
        Command::Revoke { name } => {
            let answer = session
                .admin
                .revoke_user(v1::RevokeUserRequest { name: name.into() })
                .await;
            let user = answer
                .map_err(|status| session.refused(&status))?
                .into_inner()
                .user;
            let row = Row::from(user.unwrap_or_default());
            context.out.show(&row, |row| {
                format!(
                    "the keys of user/{} below version {} are revoked as soon as agents hear of it; SDKs fetch new ones by \
                     themselves, and API keys stay: `cattery user api-key revoke` ends one",
                    plain(&row.name), row.version
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
    mut services: Vec<ServiceName>,
    api_key: bool,
) -> anyhow::Result<()> {
    services.sort();
    services.dedup();
    expect_known(session, &services).await?;
    let request = v1::AddUserRequest {
        name: name.as_str().to_owned(),
    };
    let answer = session.admin.add_user(request).await;
    let user = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .user;
    let mut grants = Vec::new();
    for (done, service) in services.iter().enumerate() {
        let request = v1::AddGrantRequest {
            principal: format!("user/{name}"),
            service: service.as_str().to_owned(),
            ..Default::default()
        };
        let answer = session.admin.add_grant(request).await;
        let answer = answer.map_err(|status| session.refused(&status));
        let answer = answer.with_context(|| left(name, &services[done..], api_key))?;
        grants.push(grant::Row::from(
            answer.into_inner().grant.unwrap_or_default(),
        ));
    }
    let made = if api_key {
        let made = api_key::create(session, name, 0, Vec::new()).await;
        Some(made.with_context(|| left(name, &[], api_key))?)
    } else {
        None
    };
    let shown = Onboarded {
        user: Row::from(user.unwrap_or_default()),
        grants,
        api_key: made.as_ref().map(|made| made.text.as_str()),
    };
    match &made {
        Some(made) => context.out.show_secret(
            &shown,
            |_| made.text.to_string(),
            || {
                format!(
                    "user/{name} is registered, but {}",
                    made.unseen("cattery user api-key revoke")
                )
            },
        ),
        None => context.out.show(&shown, registered),
    }
}

/// Refuses services that are not there, before anything is done.
async fn expect_known(session: &mut Session, services: &[ServiceName]) -> anyhow::Result<()> {
    if services.is_empty() {
        return Ok(());
    }
    let answer = session
        .admin
        .list_services(v1::ListServicesRequest {})
        .await;
    let known = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .services;
    let is_known = |name: &&ServiceName| known.iter().any(|known| known.name == name.as_str());
    match services.iter().find(|name| !is_known(name)) {
        Some(service) => bail!(
            "there is no service `{service}`, and nothing was done: add it with `cattery service add {service}`"
        ),
        None => Ok(()),
    }
}

/// What is still to do for a user who is registered.
fn left(name: &UserName, services: &[ServiceName], api_key: bool) -> String {
    let grants = services
        .iter()
        .map(|service| format!("`cattery grant add user/{name} {service}`"));
    let api_key = api_key.then(|| format!("`cattery user api-key create {name}`"));
    let commands: Vec<_> = grants.chain(api_key).collect();
    format!(
        "user/{name} is registered, and what is left to do is {}",
        commands.join(" and ")
    )
}

fn registered(shown: &Onboarded<'_>) -> String {
    let name = plain(&shown.user.name);
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
                row.api_key_count.to_string(),
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
            api_key_count: user.api_keys,
        }
    }
}
