//! `cattery status`: how the cluster, the agent and this home do.

use std::path::PathBuf;

use cattery_proto::v1;
use clap::Args as ClapArgs;
use serde::Serialize;

use super::{Context, epoch};
use crate::{agent, authority::Session, clock, exit::Done};

#[derive(ClapArgs)]
#[command(after_help = "\
Exits 1 where an authority or an agent that this home knows does not answer, or is not well.

Examples:
  cattery status
  cattery status --socket /run/cattery/photos.sock --output json")]
pub(crate) struct Args {
    /// The agent's Unix socket [default: $CATTERY_AGENT_SOCKET, or the one this home knows]
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
    expires_at: u64,
}

#[derive(Serialize)]
struct Authority {
    cluster_id: String,
    trust_domain: String,
    authority_id: String,
    version: String,
    store: String,
    active_epoch: u32,
    incarnation: u64,
    services: u32,
    users: u32,
    agents: u32,
    ca_not_after: u64,
    certificate_not_after: u64,
    audit_records: u64,
    addresses: Vec<String>,
    max_lease_seconds: u64,
}

#[derive(Serialize)]
struct Agent {
    socket: PathBuf,
    service: String,
    agent_id: String,
    ready: bool,
    notes: Vec<String>,
    epochs: Vec<Held>,
    last_contact_seconds: u64,
    outage_budget_seconds: u64,
    outage_budget_left_seconds: u64,
    certificate_not_after: u64,
    clock_difference_ms: i64,
    single_use_entries: u64,
    single_use_capacity: u64,
    version: String,
}

#[derive(Serialize)]
struct Held {
    epoch: u32,
    generation: u32,
    state: &'static str,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let home = &context.home;
    let mut keys = Vec::new();
    for service in home.leases()? {
        if let Some(lease) = home.lease(&service)? {
            let expires_at = lease.user_key()?.id().expires_at;
            keys.push(Key {
                service: service.into(),
                expires_at,
            });
        }
    }
    let operator = home.operator()?.map(|operator| operator.subject);
    let authority = match operator {
        Some(_) => Some(asked(ask_authority(context).await)),
        None => None,
    };
    let agent = match agent::socket(args.socket, home)? {
        Some(socket) => Some(asked(ask_agent(socket).await)),
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
    context.out.show(&status, describe)?;
    let well = !matches!(status.authority, Some(Asked::Failed { .. }))
        && match &status.agent {
            None => true,
            Some(Asked::Answered(agent)) => agent.ready,
            Some(Asked::Failed { .. }) => false,
        };
    Ok(if well { Done::Well } else { Done::Refused })
}

fn asked<T>(answer: anyhow::Result<T>) -> Asked<T> {
    match answer {
        Ok(answer) => Asked::Answered(answer),
        Err(error) => Asked::Failed {
            error: format!("{error:#}"),
        },
    }
}

async fn ask_authority(context: &Context) -> anyhow::Result<Authority> {
    let mut session = Session::open(&context.home).await?;
    let answer = session
        .admin
        .get_cluster_status(v1::GetClusterStatusRequest {})
        .await;
    Ok(answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .into())
}

async fn ask_agent(socket: PathBuf) -> anyhow::Result<Agent> {
    let mut agent = agent::connect(&socket).await?;
    let answer = agent.get_status(v1::GetStatusRequest {}).await;
    let answer = answer
        .map_err(|status| agent::refused(&socket, &status))?
        .into_inner();
    Ok(Agent::of(socket, answer))
}

fn describe(status: &Status) -> String {
    let now = clock::now();
    let mut text = format!("Home       {}\n", status.home.display());
    if let Some(operator) = &status.operator {
        text += &format!("Operator   {operator}\n");
    }
    if let Some(user) = &status.user {
        text += &format!("User       {user}\n");
    }
    for Key {
        service,
        expires_at,
    } in &status.keys
    {
        text += &format!(
            "Key        {service}, until {}\n",
            clock::both(*expires_at, now)
        );
    }
    match &status.authority {
        None if status.operator.is_none() && status.user.is_none() => {
            text += "Nobody is logged in here: run `cattery login`\n";
        }
        None => {}
        Some(Asked::Failed { error }) => text += &format!("Authority  does not answer: {error}\n"),
        Some(Asked::Answered(authority)) => text += &authority.describe(now),
    }
    match &status.agent {
        None => {}
        Some(Asked::Failed { error }) => text += &format!("Agent      does not answer: {error}\n"),
        Some(Asked::Answered(agent)) => text += &agent.describe(now),
    }
    text
}

impl Authority {
    fn describe(&self, now: u64) -> String {
        format!(
            "Authority  {id}, version {version}, at {addresses}\n\
             \x20          cluster {cluster}, trust domain {domain}, {store} store\n\
             \x20          epoch {epoch} is active; {services} services, {users} users, {agents} agents\n\
             \x20          {records} audit records; its certificate ends {certificate}, the CA's {ca}\n",
            id = self.authority_id,
            version = self.version,
            addresses = self.addresses.join(", "),
            cluster = self.cluster_id,
            domain = self.trust_domain,
            store = self.store,
            epoch = self.active_epoch,
            services = self.services,
            users = self.users,
            agents = self.agents,
            records = self.audit_records,
            certificate = clock::relative(self.certificate_not_after, now),
            ca = clock::relative(self.ca_not_after, now),
        )
    }
}

impl Agent {
    fn of(socket: PathBuf, status: v1::GetStatusResponse) -> Self {
        let held = |held: &v1::HeldEpoch| Held {
            epoch: held.epoch,
            generation: held.generation,
            state: epoch::state(held.state),
        };
        Self {
            socket,
            epochs: status.epochs.iter().map(held).collect(),
            service: status.service,
            agent_id: status.agent_id,
            ready: status.ready,
            notes: status.notes,
            last_contact_seconds: status.last_contact_seconds,
            outage_budget_seconds: status.outage_budget_seconds,
            outage_budget_left_seconds: status.outage_budget_left_seconds,
            certificate_not_after: status.certificate_not_after,
            clock_difference_ms: status.clock_difference_ms,
            single_use_entries: status.single_use_entries,
            single_use_capacity: status.single_use_capacity,
            version: status.version,
        }
    }

    fn describe(&self, now: u64) -> String {
        let epochs: Vec<String> = self
            .epochs
            .iter()
            .map(|held| format!("{} ({})", held.epoch, held.state))
            .collect();
        let mut text = format!(
            "Agent      {id} of {service}, version {version}, at {socket}\n\
             \x20          {ready}; holds epochs {epochs}; its certificate ends {certificate}\n\
             \x20          last heard from an authority {contact} ago; can go on without one for {left} of {budget}\n",
            id = self.agent_id,
            service = self.service,
            version = self.version,
            socket = self.socket.display(),
            ready = if self.ready {
                "verifies"
            } else {
                "DOES NOT VERIFY"
            },
            epochs = if epochs.is_empty() {
                "none".to_owned()
            } else {
                epochs.join(", ")
            },
            certificate = clock::relative(self.certificate_not_after, now),
            contact = clock::span(self.last_contact_seconds),
            left = clock::span(self.outage_budget_left_seconds),
            budget = clock::span(self.outage_budget_seconds),
        );
        for note in &self.notes {
            text += &format!("           {note}\n");
        }
        text
    }
}

impl From<v1::GetClusterStatusResponse> for Authority {
    fn from(status: v1::GetClusterStatusResponse) -> Self {
        Self {
            cluster_id: status.cluster_id,
            trust_domain: status.trust_domain,
            authority_id: status.authority_id,
            version: status.version,
            store: status.store,
            active_epoch: status.active_epoch,
            incarnation: status.incarnation,
            services: status.services,
            users: status.users,
            agents: status.agents,
            ca_not_after: status.ca_not_after,
            certificate_not_after: status.certificate_not_after,
            audit_records: status.audit_records,
            addresses: status.addresses,
            max_lease_seconds: status.max_lease_seconds,
        }
    }
}
