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
        conditions: Box<Conditions>,
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
    /// The API key that its user made it with; none where an operator made it.
    parent: Option<String>,
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

/// One that works no more.
#[derive(Serialize)]
pub(super) struct Ended {
    #[serde(flatten)]
    pub(super) row: Row,
    pub(super) revoked_lease_count: u64,
    /// Those that its user made with it, and that ended with it.
    pub(super) ended_child_count: u32,
    /// With `--wait`, where there was a lease.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) reach: Option<Reach>,
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
            made.show(context, "cattery user api-key revoke")?;
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
                [
                    "id",
                    "user",
                    "state",
                    "made with",
                    "caveats",
                    "created",
                    "expires",
                ],
                |row| {
                    [
                        row.id.clone(),
                        row.user.clone(),
                        row.state.clone(),
                        row.parent.clone().unwrap_or_else(|| "-".to_owned()),
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
                ended_child_count: answer.children,
            };
            context.out.show(&ended, describe)?;
            return Ok(reach::done(ended.reach.as_ref()));
        }
    }
    Ok(Done::Well)
}

pub(super) fn describe(ended: &Ended) -> String {
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
    let children = match ended.ended_child_count {
        0 => String::new(),
        1 => "; the API key that was made with it ended, too".to_owned(),
        count => format!("; the {count} API keys that were made with it ended, too"),
    };
    format!("API key {id} of user/{user} works no more, and {leases}{then}{children}")
}

impl Made {
    /// Opens what an authority made.
    ///
    /// # Errors
    /// The answer holds none.
    pub(super) fn open(
        receiver: &ReceiverKey,
        key: Option<v1::ApiKey>,
        sealed: Option<&v1::Sealed>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            text: open_text(receiver, INFO_API_KEY, sealed)?,
            row: Row::from(key.unwrap_or_default()),
        })
    }

    /// Prints it. `end` is the command that ends one.
    pub(super) fn show(&self, context: &Context, end: &str) -> anyhow::Result<()> {
        let shown = Created {
            api_key: &self.text,
            row: &self.row,
        };
        let text = |shown: &Created<'_>| shown.api_key.to_owned();
        context.out.show_secret(&shown, text, || self.unseen(end))
    }

    /// What to do where it could not be printed.
    pub(crate) fn unseen(&self, end: &str) -> String {
        let id = &self.row.id;
        format!("API key {id} was made and nobody saw it, so end it: `{end} {id}`")
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
    Made::open(&receiver, answer.api_key, answer.sealed_api_key.as_ref())
}

impl Row {
    /// For a list of one user's own.
    pub(super) fn own_cells(&self) -> [String; 6] {
        [
            self.id.clone(),
            self.state.clone(),
            self.parent.clone().unwrap_or_else(|| "-".to_owned()),
            self.caveats.join(" "),
            clock::cell(self.created_at),
            clock::cell(self.expires_at),
        ]
    }
}

impl From<v1::ApiKey> for Row {
    fn from(key: v1::ApiKey) -> Self {
        Self {
            id: key.id,
            user: key.user,
            state: key.state,
            parent: (!key.parent.is_empty()).then_some(key.parent),
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
