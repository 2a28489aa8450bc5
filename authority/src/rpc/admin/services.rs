use std::collections::HashMap;
use std::time::Duration;

use cattery_proto::v1;
use cattery_sdk::portable::JoinToken;
use cattery_sdk::sealing::{INFO_JOIN_TOKEN, seal};

use super::agents::shapes;
use super::{count, length, portable, service_name};
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::granting::ServicePattern;
use crate::records::ServiceRecord;
use crate::registry::decide;

const JOIN_TOKEN: Duration = Duration::from_secs(3600);
const JOIN_TOKEN_MOST: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) async fn add(
    authority: &Authority,
    act: Act,
    request: v1::AddServiceRequest,
) -> Result<v1::AddServiceResponse, Failure> {
    let name = service_name(&request.name)?;
    let service = decide(|| authority.registry.add_service(&act, &name)).await?;
    Ok(v1::AddServiceResponse {
        service: Some(shape(service, 0)),
    })
}

pub(super) async fn list(
    authority: &Authority,
    _: Act,
    _: v1::ListServicesRequest,
) -> Result<v1::ListServicesResponse, Failure> {
    let services = authority.registry.services().await?;
    let mut agents = HashMap::<String, usize>::new();
    for agent in authority.registry.agents().await? {
        *agents.entry(agent.service).or_default() += 1;
    }
    Ok(v1::ListServicesResponse {
        services: services
            .into_iter()
            .map(|service| {
                let agents = agents.get(&service.name).copied().unwrap_or(0);
                shape(service, agents)
            })
            .collect(),
    })
}

pub(super) async fn get(
    authority: &Authority,
    _: Act,
    request: v1::GetServiceRequest,
) -> Result<v1::GetServiceResponse, Failure> {
    let registry = &authority.registry;
    let name = service_name(&request.name)?;
    let service = registry.service(name.as_str()).await?.record;
    let mut agents = registry.agents().await?;
    agents.retain(|agent| agent.is_of(&service));
    let grants = registry
        .grants(None, Some(&ServicePattern::Exact(name)))
        .await?;
    Ok(v1::GetServiceResponse {
        service: Some(shape(service, agents.len())),
        agents: shapes(authority, agents).await?,
        grants: grants.into_iter().map(Into::into).collect(),
    })
}

pub(super) async fn disable(
    authority: &Authority,
    act: Act,
    request: v1::DisableServiceRequest,
) -> Result<v1::DisableServiceResponse, Failure> {
    let name = service_name(&request.name)?;
    let agents = decide(|| authority.registry.disable_service(&act, name.as_str())).await?;
    Ok(v1::DisableServiceResponse {
        agents: count(agents),
    })
}

pub(super) async fn join_token(
    authority: &Authority,
    act: Act,
    request: v1::CreateJoinTokenRequest,
) -> Result<v1::CreateJoinTokenResponse, Failure> {
    let name = service_name(&request.service)?;
    let ttl = length(
        request.ttl_seconds,
        JOIN_TOKEN,
        JOIN_TOKEN_MOST,
        "a join token's life",
    )?;
    // Tried first, so that a bad key leaves no join token behind.
    seal(&request.receiver_public_key, INFO_JOIN_TOKEN, &[])?;
    let registry = &authority.registry;
    let (token, secret) = decide(|| registry.create_join_token(&act, &name, ttl)).await?;
    let text = JoinToken::new(portable(authority, &token.id, secret)?).to_text();
    Ok(v1::CreateJoinTokenResponse {
        sealed_join_token: Some(seal(
            &request.receiver_public_key,
            INFO_JOIN_TOKEN,
            text.as_bytes(),
        )?),
        expires_at: token.expires_at,
    })
}

fn shape(service: ServiceRecord, agents: usize) -> v1::Service {
    v1::Service {
        name: service.name,
        generation: service.keys.active.number,
        created_at: service.created_at,
        agents: count(agents),
    }
}
