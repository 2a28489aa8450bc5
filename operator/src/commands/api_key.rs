//! `cattery user api-key`: what users log in with.

use cattery_core::UserName;
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_API_KEY, ReceiverKey};
use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Context;
use crate::{
    authority::{Session, open_text},
    caveat_text, clock,
    conditions::{Conditions, What},
    exit::Done,
    plain::plain,
    reach::{self, Reach},
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an API key, and print it alone; it cannot be shown again
    #[command(after_help = "\
Examples:
  (umask 077; cattery user api-key create alice > alice.api-key)
  cattery user api-key create ci --ttl 30d --output json
  cattery user api-key create grafana --method GET --path /metrics --ttl 30d     may read metrics, and nothing else")]
    Create {
        /// The user's name, without `user/`
        user: UserName,
        /// How long it is good for [default: until it is revoked]
        #[arg(long, visible_alias = "expires", value_name = "SPAN", value_parser = clock::parse_span, allow_hyphen_values = true)]
        ttl: Option<u64>,
        #[command(flatten)]
        conditions: Conditions,
    },
    /// List the API keys of a user, or all of them
    #[command(after_help = "Example:\n  cattery user api-key list alice")]
    List {
        /// The user's name, without `user/`
        user: Option<UserName>,
    },
    /// End an API key at once, and revoke the leases that were fetched with it
    #[command(after_help = "\
Example:
  cattery user api-key revoke 0123456789abcdef --wait     the ID that `cattery user api-key list` shows")]
    Revoke {
        /// Its ID
        id: String,
        /// Wait until every live agent refuses what was signed with it
        #[arg(long)]
        wait: bool,
    },
}

#[derive(Serialize)]
pub(crate) struct Row {
    id: String,
    user: String,
    state: String,
    caveats: Vec<String>,
    created_at: u64,
    expires_at: Option<u64>,
}

#[derive(Serialize)]
struct Created<'a> {
    api_key: &'a str,
    #[serde(flatten)]
    row: &'a Row,
}

#[derive(Serialize)]
struct Ended {
    #[serde(flatten)]
    row: Row,
    revoked_lease_count: u64,
    /// With `--wait`, where there was a lease.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
}

/// A new API key.
pub(crate) struct Made {
    /// `catapi1_…`.
    pub(crate) text: Zeroizing<String>,
    row: Row,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let home = context.home()?;
    match command {
        Command::Create {
            user,
            ttl,
            conditions,
        } => {
            let caveats = caveat_text::encode(&conditions.caveats(What::Keys)?)?;
            let mut session = Session::open(&home).await?;
            let made = create(&mut session, &user, ttl.unwrap_or(0), caveats).await?;
            let shown = Created {
                api_key: &made.text,
                row: &made.row,
            };
            context
                .out
                .show_secret(&shown, |shown| shown.api_key.to_owned(), || made.unseen())?;
        }
        Command::List { user } => {
            let mut session = Session::open(&home).await?;
            let request = v1::ListApiKeysRequest {
                user: user.map(String::from).unwrap_or_default(),
            };
            let answer = session.admin.list_api_keys(request).await;
            let keys = answer
                .map_err(|status| session.refused(&status))?
                .into_inner()
                .api_keys;
            let rows: Vec<Row> = keys.into_iter().map(Row::from).collect();
            context.out.list(
                &rows,
                ["id", "user", "state", "caveats", "created", "expires"],
                |row| {
                    [
                        row.id.clone(),
                        row.user.clone(),
                        row.state.clone(),
                        row.caveats.join(" "),
                        clock::cell(row.created_at),
                        clock::cell(row.expires_at),
                    ]
                },
            )?;
        }
        Command::Revoke { id, wait } => {
            let mut session = Session::open(&home).await?;
            let request = v1::RevokeApiKeyRequest { id, wait };
            let answer = reach::ask(&mut session, async |admin| {
                admin.revoke_api_key(request.clone()).await
            })
            .await?;
            let reach = match answer.position.filter(|_| wait) {
                Some(position) => Some(reach::wait(&mut session, position).await?),
                None => None,
            };
            let ended = Ended {
                reach,
                row: Row::from(answer.api_key.unwrap_or_default()),
                revoked_lease_count: answer.leases,
            };
            context.out.show(&ended, describe)?;
            return Ok(reach::done(ended.reach.as_ref()));
        }
    }
    Ok(Done::Well)
}

fn describe(ended: &Ended) -> String {
    let (id, user) = (plain(&ended.row.id), plain(&ended.row.user));
    let leases = match ended.revoked_lease_count {
        0 => "no lease of it is out".to_owned(),
        1 => "the lease that was fetched with it is revoked".to_owned(),
        count => format!("the {count} leases that were fetched with it are revoked"),
    };
    let then = match (&ended.reach, ended.revoked_lease_count) {
        (_, 0) => String::new(),
        (Some(reach), _) => format!("; {}", reach.sentence()),
        (None, _) => {
            ": agents refuse what was signed with it as soon as they hear of it".to_owned()
        }
    };
    format!("API key {id} of user/{user} works no more, and {leases}{then}")
}

impl Made {
    /// What to do where it could not be printed.
    pub(crate) fn unseen(&self) -> String {
        let id = &self.row.id;
        format!(
            "API key {id} was made and nobody saw it, so end it: `cattery user api-key revoke {id}`"
        )
    }
}

/// Asks for an API key. `ttl_seconds` of 0 is for as long as it is not revoked.
pub(crate) async fn create(
    session: &mut Session,
    user: &UserName,
    ttl_seconds: u64,
    caveats: Vec<Vec<u8>>,
) -> anyhow::Result<Made> {
    let receiver = ReceiverKey::generate()?;
    let request = v1::CreateApiKeyRequest {
        user: user.as_str().to_owned(),
        ttl_seconds,
        caveats,
        receiver_public_key: receiver.public_key().to_vec(),
    };
    let answer = session.admin.create_api_key(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    Ok(Made {
        text: open_text(&receiver, INFO_API_KEY, answer.sealed_api_key.as_ref())?,
        row: Row::from(answer.api_key.unwrap_or_default()),
    })
}

impl From<v1::ApiKey> for Row {
    fn from(key: v1::ApiKey) -> Self {
        Self {
            id: key.id,
            user: key.user,
            state: key.state,
            caveats: key
                .caveats
                .iter()
                .map(|one| caveat_text::text(one))
                .collect(),
            created_at: key.created_at,
            expires_at: clock::some(key.expires_at),
        }
    }
}
