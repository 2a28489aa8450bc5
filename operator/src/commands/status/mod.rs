//! `cattery status`: how the cluster, the agent and this home do.

mod agent;
mod authority;

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::Context;
use crate::{agent::socket, clock, exit::Done, plain::plain};

use agent::Agent;
use authority::Authority;

#[derive(ClapArgs)]
#[command(after_help = "\
Exits 1 where an authority or an agent that this home knows does not answer, where the agent does not verify, and where the \
automatic rotation is overdue. Warnings alone, which leave time to act, do not change the exit code.

Examples:
  cattery status
  cattery status --socket /run/cattery/photos.sock --output json")]
pub(crate) struct Args {
    /// The agent's Unix socket [default: that of --home, $CATTERY_AGENT_SOCKET, or the one this home knows]
    #[arg(long, visible_alias = "agent", value_name = "PATH")]
    socket: Option<PathBuf>,
}

#[derive(Serialize)]
struct Status {
    home: PathBuf,
    operator: Option<String>,
    user: Option<String>,
    keys: Vec<Key>,
    authority: Option<Asked<Authority>>,
    agent: Option<Asked<Agent>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Asked<T> {
    Answered(T),
    Failed { error: String },
}

#[derive(Serialize)]
struct Key {
    service: String,
    principal: String,
    handed_over: bool,
    expires_at: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let home = &context.home()?;
    let mut keys = Vec::new();
    for service in home.leases()? {
        if let Some(lease) = home.lease(&service)? {
            let key = lease.user_key()?;
            keys.push(Key {
                service: service.into(),
                principal: key.id().principal.to_owned(),
                handed_over: lease.handed_over,
                expires_at: key.id().expires_at,
            });
        }
    }
    let operator = home.operator()?.map(|operator| operator.subject);
    let authority = match operator {
        Some(_) => Some(asked(authority::ask(home).await)),
        None => None,
    };
    let agent = match socket(args.socket, context)? {
        Some(socket) => Some(asked(agent::ask(socket).await)),
        None => None,
    };
    let status = Status {
        home: home.dir().to_owned(),
        operator,
        user: home.user()?.map(|user| user.principal),
        keys,
        authority,
        agent,
    };
    let is_well = Asked::is_well(status.authority.as_ref(), Authority::is_well)
        && Asked::is_well(status.agent.as_ref(), Agent::is_well);
    context.out.show(&status, describe)?;
    Ok(if is_well { Done::Well } else { Done::Refused })
}

impl<T> Asked<T> {
    /// Whether one that answered is well. Where nobody was to be asked, nothing is wrong.
    fn is_well(asked: Option<&Self>, well: impl Fn(&T) -> bool) -> bool {
        match asked {
            None => true,
            Some(Self::Answered(answer)) => well(answer),
            Some(Self::Failed { .. }) => false,
        }
    }
}

fn asked<T>(answer: anyhow::Result<T>) -> Asked<T> {
    match answer {
        Ok(answer) => Asked::Answered(answer),
        Err(error) => Asked::Failed {
            error: format!("{error:#}"),
        },
    }
}

fn describe(status: &Status) -> String {
    let now = clock::now();
    let mut text = format!("Home       {}\n", status.home.display());
    if let Some(operator) = &status.operator {
        text += &format!("Operator   {}\n", plain(operator));
    }
    if let Some(user) = &status.user {
        text += &format!("User       {}\n", plain(user));
    }
    for key in &status.keys {
        let handed_over = if key.handed_over {
            format!(", handed over, of {}", plain(&key.principal))
        } else {
            String::new()
        };
        text += &format!(
            "Key        {}, until {}{handed_over}\n",
            key.service,
            clock::both(key.expires_at, now)
        );
    }
    match &status.authority {
        None if status.operator.is_none() && status.user.is_none() && status.keys.is_empty() => {
            text += "Nobody is logged in here: run `cattery login`\n";
        }
        None => {}
        Some(Asked::Failed { error }) => {
            text += &format!("Authority  does not answer: {}\n", plain(error));
        }
        Some(Asked::Answered(authority)) => text += &authority.describe(now),
    }
    match &status.agent {
        None => {}
        Some(Asked::Failed { error }) => {
            text += &format!("Agent      does not answer: {}\n", plain(error));
        }
        Some(Asked::Answered(agent)) => text += &agent.describe(now),
    }
    text
}
