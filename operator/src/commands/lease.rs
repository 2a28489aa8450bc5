//! `cattery lease`: the issues of user keys.

use anyhow::bail;
use cattery_core::{Principal, ServiceName, UserName};
use cattery_proto::v1;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    Context,
    revoke::{self, Hex, What},
};
use crate::{authority::Session, clock, exit::Done, out, plain::plain, reach};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the leases of a user or a service that have not ended
    #[command(after_help = "\
Examples:
  cattery lease list --user alice
  cattery lease list --service web --output json")]
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Revoke leases: the keys, all that was narrowed from them, and all tokens that were signed with them
    #[command(after_help = "\
Example:
  cattery lease revoke --user alice 9f3c2a1b0d4e5f60 --wait     the ID that `cattery lease list` shows")]
    Revoke {
        #[command(flatten)]
        whose: Whose,
        /// Their IDs, 16 hexadecimal digits each
        #[arg(required = true, value_name = "ID")]
        ids: Vec<Hex<8>>,
        /// Wait until every live agent refuses them
        #[arg(long)]
        wait: bool,
    },
}

/// Whose leases.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// A user's, by the name without `user/`
    #[arg(long, value_name = "NAME")]
    user: Option<UserName>,
    /// A service's, as a client, by the name without `service/`
    #[arg(long, value_name = "NAME")]
    service: Option<ServiceName>,
}

#[derive(Serialize)]
struct Row {
    lease_id: String,
    service: String,
    state: &'static str,
    issued_at: u64,
    expires_at: u64,
    /// What the principal proved who they are with.
    proof: String,
    /// The grant that it was issued under: whose, and for what.
    grant_principal: String,
    grant_service: String,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    match command {
        Command::List { whose } => list(whose.principal()?.as_str(), context).await,
        Command::Revoke { whose, ids, wait } => {
            revoke_all(whose.principal()?.as_str(), &ids, wait, context).await
        }
    }
}

async fn list(principal: &str, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    let (rows, more) = leases(&mut session, principal).await?;
    context.out.list(
        &rows,
        [
            "lease", "service", "state", "issued", "ends", "proof", "grant",
        ],
        Row::cells,
    )?;
    if more {
        out::note("there are more, which are older");
    }
    Ok(Done::Well)
}

async fn revoke_all(
    principal: &str,
    ids: &[Hex<8>],
    wait: bool,
    context: &Context,
) -> anyhow::Result<Done> {
    let mut session = Session::open_to_all(&context.home()?).await?;
    let (known, more) = leases(&mut session, principal).await?;
    let ids: Vec<String> = ids.iter().map(|id| hex::encode(id.0)).collect();
    let unknown = ids
        .iter()
        .find(|id| !known.iter().any(|row| row.lease_id == **id));
    if let (Some(unknown), false) = (unknown, more) {
        bail!(
            "{principal} has no lease {unknown} that has not ended, and nothing was revoked: `cattery lease list` shows them. To revoke an \
             ID all the same: cattery revoke --principal {principal} --lease {unknown}"
        );
    }
    let what: Vec<What> = ids
        .iter()
        .filter_map(|id| hex::decode(id).ok())
        .map(|id| What::lease(principal, &id))
        .collect();
    revoke::revoke(&mut session, what, wait, context).await
}

async fn leases(session: &mut Session, principal: &str) -> anyhow::Result<(Vec<Row>, bool)> {
    let request = v1::ListLeasesRequest {
        principal: principal.to_owned(),
    };
    let answer = reach::ask(session, async |admin| {
        admin.list_leases(request.clone()).await
    })
    .await?;
    let rows = answer.leases.into_iter().map(Row::from).collect();
    Ok((rows, answer.more))
}

impl Whose {
    fn principal(&self) -> anyhow::Result<Principal> {
        match (&self.user, &self.service) {
            (Some(user), _) => Ok(Principal::user(user)),
            (None, Some(service)) => Ok(Principal::service(service)),
            (None, None) => bail!("say whose leases: --user NAME or --service NAME"),
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        [
            self.lease_id.clone(),
            self.service.clone(),
            self.state.to_owned(),
            clock::cell(self.issued_at),
            clock::cell(self.expires_at),
            plain(&self.proof),
            plain(&format!("{} {}", self.grant_principal, self.grant_service)),
        ]
    }
}

impl From<v1::Lease> for Row {
    fn from(lease: v1::Lease) -> Self {
        Self {
            lease_id: hex::encode(lease.lease_id),
            service: lease.service,
            state: if lease.revoked { "revoked" } else { "active" },
            issued_at: lease.issued_at,
            expires_at: lease.expires_at,
            proof: lease.proof,
            grant_principal: lease.grant_principal,
            grant_service: lease.grant_service,
        }
    }
}
