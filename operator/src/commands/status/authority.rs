//! How the cluster does, as one of its authorities tells it.

use cattery_proto::v1;
use serde::Serialize;

use crate::{
    authority::{Session, learn},
    clock,
    home::Home,
    out::counted,
    plain::plain,
};

/// The cluster, and the authority that answered.
#[derive(Serialize)]
pub(super) struct Authority {
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
    leader: Option<String>,
    authorities: Vec<String>,
    rotates_at: Option<u64>,
    rotation_overdue: bool,
    warnings: Vec<String>,
}

/// Asks the authority, and keeps what it says about addresses.
pub(super) async fn ask(home: &Home) -> anyhow::Result<Authority> {
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

impl Authority {
    /// Whether nobody has to do anything at once.
    pub(super) fn is_well(&self) -> bool {
        !self.rotation_overdue
    }

    /// Some lines.
    pub(super) fn describe(&self, now: u64) -> String {
        let mut text = format!(
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
            services = counted(self.service_count, "service"),
            users = counted(self.user_count, "user"),
            agents = counted(self.agent_count, "agent"),
            records = counted(self.audit_records, "audit record"),
            certificate = clock::relative(self.certificate_not_after, now),
            ca = clock::relative(self.ca_not_after, now),
        );
        text += &format!(
            "           {}; {}\n",
            self.describe_authorities(),
            self.describe_rotation(now)
        );
        for warning in &self.warnings {
            text += &format!("           WARNING: {}\n", plain(warning));
        }
        text
    }

    fn describe_authorities(&self) -> String {
        let leads = match &self.leader {
            Some(leader) if *leader == self.authority_id => "it leads".to_owned(),
            Some(leader) => format!("{} leads", plain(leader)),
            None => "NONE LEADS at the moment".to_owned(),
        };
        let others: Vec<String> = self
            .authorities
            .iter()
            .filter(|id| **id != self.authority_id)
            .map(|id| plain(id))
            .collect();
        if others.is_empty() {
            format!("no other authority is alive, and {leads}")
        } else {
            format!("{leads}; also alive: {}", others.join(", "))
        }
    }

    fn describe_rotation(&self, now: u64) -> String {
        match self.rotates_at {
            None => "epochs do not rotate by themselves".to_owned(),
            Some(at) if self.rotation_overdue => format!(
                "THE ROTATION IS OVERDUE: it was due {}. See `cattery epoch list`",
                clock::both(at, now)
            ),
            Some(at) => format!("the next rotation is due {}", clock::both(at, now)),
        }
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
            leader: Some(status.leader).filter(|leader| !leader.is_empty()),
            authorities: status.authorities,
            rotates_at: clock::some(status.rotates_at),
            rotation_overdue: status.rotation_overdue,
            warnings: status.warnings,
        }
    }
}
