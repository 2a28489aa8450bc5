//! `cattery api-key`: API keys that a user makes without an operator. `cattery user api-key` is the operators' side.

use cattery_proto::v1;
use cattery_sdk::sealing::ReceiverKey;
use clap::Subcommand;

use super::{
    Context,
    api_key::{self, Ended, Made, Row},
};
use crate::{
    caveat_text, clock,
    conditions::{Conditions, What},
    exit::Done,
    out,
    own::OwnSession,
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an API key that may do no more than your own, and print it alone; it cannot be shown again
    #[command(after_help = "\
It has the conditions of the API key that you are logged in with, and these; it ends with that one, and makes no others.

Example:
  (umask 077; cattery api-key create --method GET --path /metrics --ttl 30d > dashboard.api-key)
  cattery --home dashboard login < dashboard.api-key")]
    Create {
        /// How long it is good for [default: as long as your own]
        #[arg(long, visible_alias = "expires", value_name = "SPAN", value_parser = clock::parse_span, allow_hyphen_values = true)]
        ttl: Option<u64>,
        #[command(flatten)]
        conditions: Box<Conditions>,
    },
    /// List the API key that you are logged in with, and those that it made
    #[command(after_help = "Example:\n  cattery api-key list")]
    List,
    /// End one of those at once, and revoke the leases that were fetched with it
    #[command(after_help = "\
Example:
  cattery api-key revoke 0123456789abcdef     the ID that `cattery api-key list` shows")]
    Revoke {
        /// Its ID
        id: String,
    },
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let home = context.home()?;
    match command {
        Command::Create { ttl, conditions } => {
            let caveats = caveat_text::encode(&conditions.caveats(What::Keys)?)?;
            let session = OwnSession::open(&home).await?;
            let receiver = ReceiverKey::generate()?;
            let request = v1::CreateOwnApiKeyRequest {
                caveats,
                ttl_seconds: ttl.unwrap_or(0),
                receiver_public_key: receiver.public_key(),
            };
            let answer = session
                .ask(request, async |mut calls, request| {
                    calls.create_own_api_key(request).await
                })
                .await?;
            let made = Made::open(&receiver, answer.api_key, answer.sealed_api_key.as_ref())?;
            made.show(context, "cattery api-key revoke")?;
        }
        Command::List => {
            let session = OwnSession::open(&home).await?;
            let request = v1::ListOwnApiKeysRequest {};
            let answer = session
                .ask(request, async |mut calls, request| {
                    calls.list_own_api_keys(request).await
                })
                .await?;
            let rows: Vec<Row> = answer.api_keys.into_iter().map(Row::from).collect();
            let header = ["id", "state", "made with", "caveats", "created", "expires"];
            context.out.list(&rows, header, Row::own_cells)?;
        }
        Command::Revoke { id } => {
            let session = OwnSession::open(&home).await?;
            let is_own = id.eq_ignore_ascii_case(&session.api_key_id());
            let request = v1::RevokeOwnApiKeyRequest { id };
            let answer = session
                .ask(request, async |mut calls, request| {
                    calls.revoke_own_api_key(request).await
                })
                .await?;
            let ended = Ended {
                row: Row::from(answer.api_key.unwrap_or_default()),
                revoked_lease_count: answer.leases,
                ended_child_count: answer.children,
                reach: None,
            };
            context.out.show(&ended, api_key::describe)?;
            if is_own {
                out::note(
                    "this was the API key that you are logged in with: log in with another one",
                );
            }
        }
    }
    Ok(Done::Well)
}
