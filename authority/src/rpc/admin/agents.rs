use std::collections::HashMap;

use cattery_core::Principal;
use cattery_proto::v1;

use super::schedule::named;
use super::{leases, service_name};
use crate::act::{Act, now_ms};
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::news::News;
use crate::records::{AgentRecord, ContactRecord};
use crate::registry::{Of, decide};

pub(super) async fn list(
    authority: &Authority,
    _: Act,
    request: v1::ListAgentsRequest,
) -> Result<v1::ListAgentsResponse, Failure> {
    let mut agents = authority.registry.all_agents().await?;
    if !request.service.is_empty() {
        let name = service_name(&request.service)?;
        authority.registry.service(name.as_str()).await?;
        agents.retain(|agent| agent.service == name.as_str());
    }
    agents.sort_by(|a, b| (&a.service, &a.id).cmp(&(&b.service, &b.id)));
    Ok(v1::ListAgentsResponse {
        agents: shapes(authority, agents).await?,
        server_time: now_ms() / 1000,
    })
}

pub(super) async fn evict(
    authority: &Authority,
    act: Act,
    request: v1::EvictAgentRequest,
) -> Result<v1::EvictAgentResponse, Failure> {
    let Authority {
        registry, limits, ..
    } = authority;
    let (id, planned) = (request.agent_id.as_str(), request.planned);
    let evicted = decide(|| registry.evict_agent(&act, &limits.timing, id, planned)).await;
    let evicted = match evicted {
        Err(Failure::NotFound(why)) => return evict_rest(authority, &act, id, why).await,
        other => other?,
    };
    let leases = leases_of(authority, &act, id, &evicted.service).await?;
    Ok(v1::EvictAgentResponse {
        leases: leases.try_into().unwrap_or(u64::MAX),
        agents: named(&evicted.left_behind, &evicted.contacts),
        service: evicted.service,
        generation: evicted.generation,
    })
}

/// What a former call left of an agent that has no access any more; `why` where that is nothing.
async fn evict_rest(
    authority: &Authority,
    act: &Act,
    id: &str,
    why: String,
) -> Result<v1::EvictAgentResponse, Failure> {
    let registry = &authority.registry;
    let Some(agent) = registry.known_agent(id).await? else {
        return Err(Failure::NotFound(why));
    };
    let leases = leases_of(authority, act, id, &agent.service).await?;
    if leases == 0 {
        return Err(Failure::NotFound(why));
    }
    let service = registry.service(&agent.service).await?.record;
    Ok(v1::EvictAgentResponse {
        agents: Vec::new(),
        generation: service.keys.last,
        service: service.name,
        leases: leases.try_into().unwrap_or(u64::MAX),
    })
}

/// Revokes what an evicted agent fetched for its service as a client. How much that is.
async fn leases_of(
    authority: &Authority,
    act: &Act,
    id: &str,
    service: &str,
) -> Result<usize, Failure> {
    let principal = Principal::service(&service_name(service)?);
    let proof = format!("agent/{id}");
    let ended = leases::revoke_of(authority, act, &principal, &proof, false).await;
    let ended = ended.inspect_err(|_| {
        tracing::error!(
            agent = id,
            "the agent has no access any more, but leases that it fetched are left: evict it once more"
        );
    })?;
    Ok(ended.newly)
}

/// With what is known of each.
pub(super) async fn shapes(
    authority: &Authority,
    agents: Vec<AgentRecord>,
) -> Result<Vec<v1::AgentInfo>, Failure> {
    let contacts = authority.registry.contacts(Of::Cluster).await?;
    let known: HashMap<&str, &ContactRecord> = contacts
        .iter()
        .map(|contact| (contact.record.agent.as_str(), &contact.record))
        .collect();
    let news = authority.bulletin.fresh().await?;
    let shapes = agents.into_iter().map(|agent| {
        let contact = known.get(agent.id.as_str()).copied();
        shape(authority, &news, agent, contact)
    });
    Ok(shapes.collect())
}

fn shape(
    authority: &Authority,
    news: &News,
    agent: AgentRecord,
    contact: Option<&ContactRecord>,
) -> v1::AgentInfo {
    let is_active = agent.has_access()
        && news
            .service(&agent.service)
            .is_some_and(|service| agent.is_of(&service.record));
    let acknowledged = contact.map_or(0, |contact| {
        contact.acknowledged_in(news.position.incarnation)
    });
    let (holds_epoch, holds_generation) = news.newest_held(&agent.service, acknowledged);
    v1::AgentInfo {
        state: if is_active { "active" } else { "evicted" }.to_owned(),
        agent_id: agent.id,
        service: agent.service,
        enrolled_at: agent.enrolled_at,
        certificate_not_after: agent.certificate_not_after,
        last_contact: contact.map_or(0, ContactRecord::last_heard),
        holds_epoch,
        holds_generation,
        outage_budget_seconds: contact.map_or(0, |contact| contact.outage_budget),
        live_until: contact.map_or(0, |contact| contact.live_until(authority.timing())),
        version: contact.map_or(String::new(), |contact| contact.version.clone()),
    }
}
