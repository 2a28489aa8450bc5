//! `cattery grant`: who may call which service.

mod explain;
mod tied;

use std::time::Duration;

use anyhow::bail;
use cattery_authority::{
    config::show_duration,
    granting::{Grantee, ServicePattern},
};
use cattery_core::{Principal, ServiceName};
use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::{
    Context,
    ending::{Ended, Ending},
};
use crate::{
    authority::Session,
    caveat_text, clock,
    conditions::{Conditions, What},
    exit::{Done, Usage},
    plain::plain,
};

pub(crate) use tied::Tied;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Let a principal, or every member of a group, get keys for a service
    #[command(after_help = "\
Examples:
  cattery grant add user/alice photos
  cattery grant add user/alice photos --method GET --path /albums --max-lease 12h
  cattery grant add group/oncall 'photos-*'      every service whose name begins so, now or later
  cattery grant add service/web photos")]
    Add {
        /// `user/NAME`, `service/NAME` or `group/NAME`
        principal: Grantee,
        /// The service to call, or the beginning of names and `*`
        service: ServicePattern,
        /// The greatest lease of a key [default: the cluster's]
        #[arg(long, value_name = "SPAN", value_parser = clock::parse_span, allow_hyphen_values = true)]
        max_lease: Option<u64>,
        #[command(flatten)]
        conditions: Box<Conditions>,
    },
    /// List grants
    #[command(after_help = "\
Examples:
  cattery grant list
  cattery grant list --principal user/alice
  cattery grant list --service photos --output json")]
    List {
        /// Only those made to this principal or group
        #[arg(long)]
        principal: Option<Grantee>,
        /// Only those that name this service, patterns too; or that are for this pattern
        #[arg(long)]
        service: Option<ServicePattern>,
    },
    /// Change the conditions of a grant. What is not named stays
    #[command(after_help = "\
Examples:
  cattery grant set user/alice photos --method GET --revoke --wait    what she holds ends at once
  cattery grant set group/oncall 'photos-*' --no-caveats --max-lease 1h
Keys that were issued before keep their conditions until their lease ends, unless they are revoked.")]
    Set {
        /// `user/NAME`, `service/NAME` or `group/NAME`
        principal: Grantee,
        /// The service or pattern, as it was granted
        service: ServicePattern,
        /// No conditions any more. Conditions below replace all that there are
        #[arg(long)]
        no_caveats: bool,
        /// The greatest lease of a key
        #[arg(long, value_name = "SPAN", value_parser = clock::parse_span, allow_hyphen_values = true)]
        max_lease: Option<u64>,
        /// The cluster's greatest lease
        #[arg(long, conflicts_with = "max_lease")]
        no_max_lease: bool,
        #[command(flatten)]
        ending: Ending,
        #[command(flatten)]
        conditions: Box<Conditions>,
    },
    /// Stop issuing keys to a principal or group for a service
    #[command(after_help = "\
Examples:
  cattery grant remove user/alice photos
  cattery grant remove group/oncall 'photos-*' --revoke --wait")]
    Remove {
        /// `user/NAME`, `service/NAME` or `group/NAME`
        principal: Grantee,
        /// The service or pattern, as it was granted
        service: ServicePattern,
        #[command(flatten)]
        ending: Ending,
    },
    /// Tell which grant lets a principal get keys for a service, and which others do not count
    #[command(after_help = "Example:\n  cattery grant explain user/alice photos-eu")]
    Explain {
        /// `user/NAME` or `service/NAME`
        principal: Principal,
        /// The service
        service: ServiceName,
    },
}

#[derive(Serialize)]
pub(crate) struct Row {
    principal: String,
    service: String,
    caveats: Vec<String>,
    max_lease_seconds: Option<u64>,
    created_at: u64,
}

pub(crate) const HEADER: [&str; 5] = [
    "principal",
    "service",
    "caveats",
    "greatest lease",
    "created",
];

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    grant: Row,
    /// Where another group says something else.
    tied: Vec<Tied>,
}

#[derive(Serialize)]
struct Set {
    #[serde(flatten)]
    grant: Row,
    tied: Vec<Tied>,
    #[serde(flatten)]
    ended: Ended,
}

#[derive(Serialize)]
struct Removed {
    principal: String,
    service: String,
    removed: bool,
    #[serde(flatten)]
    ended: Ended,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    match command {
        Command::Add {
            principal,
            service,
            conditions,
            max_lease,
        } => {
            let caveats = caveat_text::encode(&conditions.caveats(What::Keys)?)?;
            let mut session = Session::open(&context.home()?).await?;
            let request = v1::AddGrantRequest {
                principal: principal.to_string(),
                service: service.to_string(),
                caveats,
                max_lease_seconds: max_lease.unwrap_or(0),
            };
            let answer = session.admin.add_grant(request).await;
            let answer = answer
                .map_err(|status| session.refused(&status))?
                .into_inner();
            let added = Added {
                grant: Row::from(answer.grant.unwrap_or_default()),
                tied: answer.tied.into_iter().map(Tied::from).collect(),
            };
            context.out.show(&added, |Added { grant, .. }| {
                format!(
                    "{} may call {}",
                    plain(&grant.principal),
                    plain(&grant.service)
                )
            })?;
            Tied::note(&added.tied);
        }
        Command::List { principal, service } => {
            let mut session = Session::open(&context.home()?).await?;
            let request = v1::ListGrantsRequest {
                principal: principal.map_or(String::new(), |name| name.to_string()),
                service: service.map_or(String::new(), |name| name.to_string()),
            };
            let answer = session.admin.list_grants(request).await;
            let grants = answer
                .map_err(|status| session.refused(&status))?
                .into_inner()
                .grants;
            let rows: Vec<Row> = grants.into_iter().map(Row::from).collect();
            context.out.list(&rows, HEADER, Row::cells)?;
        }
        Command::Set {
            principal,
            service,
            no_caveats,
            max_lease,
            no_max_lease,
            ending,
            conditions,
        } => {
            let caveats = caveat_text::encode(&conditions.caveats(What::Keys)?)?;
            if no_caveats && !caveats.is_empty() {
                return Err(Usage(
                    "--no-caveats says that there are no conditions, and there are some beside it"
                        .to_owned(),
                )
                .into());
            }
            let has_caveats = no_caveats || !caveats.is_empty();
            let max_lease_seconds = if no_max_lease { Some(0) } else { max_lease };
            if !has_caveats && max_lease_seconds.is_none() {
                bail!(
                    "say what to change: conditions or --no-caveats, --max-lease SPAN or --no-max-lease"
                );
            }
            let request = v1::SetGrantRequest {
                principal: principal.to_string(),
                service: service.to_string(),
                caveats: has_caveats.then_some(v1::GrantCaveats { caveats }),
                max_lease_seconds,
                ending: ending.request(),
            };
            let mut session = ending.session(context).await?;
            let (answer, ended) = ending
                .ask(
                    &mut session,
                    async |admin| admin.set_grant(request.clone()).await,
                    |answer| answer.leases.take(),
                )
                .await?;
            let set = Set {
                grant: Row::from(answer.grant.unwrap_or_default()),
                tied: answer.tied.into_iter().map(Tied::from).collect(),
                ended,
            };
            context.out.show(&set, |set| {
                format!(
                    "{principal} gets keys for {service} under these conditions now: {}; {}",
                    set.grant.conditions(),
                    set.ended.sentence()
                )
            })?;
            Tied::note(&set.tied);
            return Ok(set.ended.done());
        }
        Command::Remove {
            principal,
            service,
            ending,
        } => {
            let request = v1::RemoveGrantRequest {
                principal: principal.to_string(),
                service: service.to_string(),
                ending: ending.request(),
            };
            let mut session = ending.session(context).await?;
            let (_, ended) = ending
                .ask(
                    &mut session,
                    async |admin| admin.remove_grant(request.clone()).await,
                    |answer| answer.leases.take(),
                )
                .await?;
            let removed = Removed {
                principal: principal.to_string(),
                service: service.to_string(),
                removed: true,
                ended,
            };
            context.out.show(&removed, |removed| {
                format!(
                    "{principal} gets no more keys under the grant for {service}; {}",
                    removed.ended.sentence()
                )
            })?;
            return Ok(removed.ended.done());
        }
        Command::Explain { principal, service } => {
            return explain::run(&principal, &service, context).await;
        }
    }
    Ok(Done::Well)
}

impl Row {
    /// In words.
    fn conditions(&self) -> String {
        let [_, _, caveats, lease, _] = self.cells();
        let caveats = if self.caveats.is_empty() {
            "no caveats"
        } else {
            &caveats
        };
        format!("{}, greatest lease {lease}", plain(caveats))
    }

    pub(crate) fn cells(&self) -> [String; 5] {
        let caveats = match &self.caveats[..] {
            [] => "-".to_owned(),
            some => some.join("  "),
        };
        let lease = match self.max_lease_seconds {
            None => "the cluster's".to_owned(),
            Some(seconds) => show_duration(Duration::from_secs(seconds)),
        };
        [
            self.principal.clone(),
            self.service.clone(),
            caveats,
            lease,
            clock::cell(self.created_at),
        ]
    }
}

impl From<v1::Grant> for Row {
    fn from(grant: v1::Grant) -> Self {
        Self {
            principal: grant.principal,
            service: grant.service,
            caveats: grant
                .caveats
                .iter()
                .map(|bytes| caveat_text::text(bytes))
                .collect(),
            max_lease_seconds: clock::some(grant.max_lease_seconds),
            created_at: grant.created_at,
        }
    }
}
