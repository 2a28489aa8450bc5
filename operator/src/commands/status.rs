//! `cattery status`: how the cluster, the agent and this home do.

use std::path::PathBuf;

use cattery_proto::v1;
use clap::Args as ClapArgs;
use serde::Serialize;

use super::{Context, epoch};
use crate::{
    agent,
    authority::{Session, learn},
    clock,
    exit::Done,
    home::Home,
    plain::plain,
};

#[derive(ClapArgs)]
#[command(after_help = "\
Exits 1 where an authority or an agent that this home knows does not answer, or is not well.

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

#[derive(Serialize)]
struct Authority {
    cluster_id: String,
    trust_domain: String,
    authority_id: String,
    version: String,
    store: String,
    active_epoch: u32,
    incarnation: u64,
    service_count: u32,
    user_count: u32,
    agent_count: u32,
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
    last_contact_seconds: Option<u64>,
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
        Some(_) => Some(asked(ask_authority(home).await)),
        None => None,
    };
    let agent = match agent::socket(args.socket, context)? {
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
    let well = !matches!(status.authority, Some(Asked::Failed { .. }))
        && match &status.agent {
            None => true,
            Some(Asked::Answered(agent)) => agent.ready,
            Some(Asked::Failed { .. }) => false,
        };
    context.out.show(&status, describe)?;
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

async fn ask_authority(home: &Home) -> anyhow::Result<Authority> {
    let mut session = Session::open_at_once(home).await?;
    let answer = session
        .admin
        .get_cluster_status(v1::GetClusterStatusRequest {})
        .await;
    let status = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    if let Err(error) = learn(home, &status) {
        tracing::warn!("the cluster's new addresses were not kept: {error:#}");
    }
    Ok(status.into())
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

fn count(count: impl Into<u64>, what: &str) -> String {
    let count = count.into();
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl Authority {
    fn describe(&self, now: u64) -> String {
        format!(
            "Authority  {id}, version {version}, at {addresses}\n\
             \x20          cluster {cluster}, trust domain {domain}, {store} store\n\
             \x20          epoch {epoch} is active; {services}, {users}, {agents}\n\
             \x20          {records}; its certificate ends {certificate}, the CA's {ca}\n",
            id = plain(&self.authority_id),
            version = plain(&self.version),
            addresses = plain(&self.addresses.join(", ")),
            cluster = plain(&self.cluster_id),
            domain = plain(&self.trust_domain),
            store = plain(&self.store),
            epoch = self.active_epoch,
            services = count(self.service_count, "service"),
            users = count(self.user_count, "user"),
            agents = count(self.agent_count, "agent"),
            records = count(self.audit_records, "audit record"),
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
             \x20          last heard from an authority: {contact}; can go on without one for {left} of {budget}\n",
            id = plain(&self.agent_id),
            service = plain(&self.service),
            version = plain(&self.version),
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
            contact = self.last_contact_seconds.map_or_else(
                || "never".to_owned(),
                |seconds| format!("{} ago", clock::span(seconds))
            ),
            left = clock::span(self.outage_budget_left_seconds),
            budget = clock::span(self.outage_budget_seconds),
        );
        for note in &self.notes {
            text += &format!("           {}\n", plain(note));
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
            service_count: status.services,
            user_count: status.users,
            agent_count: status.agents,
            ca_not_after: status.ca_not_after,
            certificate_not_after: status.certificate_not_after,
            audit_records: status.audit_records,
            addresses: status.addresses,
            max_lease_seconds: status.max_lease_seconds,
        }
    }
}
