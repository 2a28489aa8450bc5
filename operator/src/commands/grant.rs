//! `cattery grant`: who may call which service.

use std::time::Duration;

use cattery_authority::config::show_duration;
use cattery_core::{Principal, ServiceName};
use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::Context;
use crate::{
    authority::Session,
    caveat_text, clock,
    conditions::{Conditions, What},
    exit::Done,
    plain::plain,
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Let a principal get keys for a service
    #[command(after_help = "\
Examples:
  cattery grant add user/alice photos
  cattery grant add user/alice photos --method GET --path /albums --max-lease 12h
  cattery grant add service/web photos")]
    Add {
        /// `user/NAME` or `service/NAME`
        principal: Principal,
        /// The service to call
        service: ServiceName,
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
        /// Only of this principal
        #[arg(long)]
        principal: Option<Principal>,
        /// Only for this service
        #[arg(long)]
        service: Option<ServiceName>,
    },
    /// Stop issuing keys to a principal for a service
    #[command(after_help = "Example:\n  cattery grant remove user/alice photos")]
    Remove {
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

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let home = context.home()?;
    match command {
        Command::Add {
            principal,
            service,
            conditions,
            max_lease,
        } => {
            let caveats = caveat_text::encode(&conditions.caveats(What::Keys)?)?;
            let mut session = Session::open(&home).await?;
            let request = v1::AddGrantRequest {
                principal: principal.into(),
                service: service.into(),
                caveats,
                max_lease_seconds: max_lease.unwrap_or(0),
            };
            let answer = session.admin.add_grant(request).await;
            let grant = answer
                .map_err(|status| session.refused(&status))?
                .into_inner()
                .grant;
            let row = Row::from(grant.unwrap_or_default());
            context.out.show(&row, |row| {
                format!("{} may call {}", plain(&row.principal), plain(&row.service))
            })?;
        }
        Command::List { principal, service } => {
            let mut session = Session::open(&home).await?;
            let request = v1::ListGrantsRequest {
                principal: principal.map(String::from).unwrap_or_default(),
                service: service.map(String::from).unwrap_or_default(),
            };
            let answer = session.admin.list_grants(request).await;
            let grants = answer
                .map_err(|status| session.refused(&status))?
                .into_inner()
                .grants;
            let rows: Vec<Row> = grants.into_iter().map(Row::from).collect();
            context.out.list(&rows, HEADER, Row::cells)?;
        }
        Command::Remove { principal, service } => {
            let mut session = Session::open(&home).await?;
            let request = v1::RemoveGrantRequest {
                principal: principal.as_str().to_owned(),
                service: service.as_str().to_owned(),
            };
            let answer = session.admin.remove_grant(request).await;
            answer.map_err(|status| session.refused(&status))?;
            let shown = serde_json::json!({ "principal": principal.as_str(), "service": service.as_str(), "removed": true });
            context.out.show(&shown, |_| {
                format!("{principal} gets no more keys for {service}; those that exist live until their lease ends")
            })?;
        }
    }
    Ok(Done::Well)
}

impl Row {
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
