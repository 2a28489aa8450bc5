use std::time::Duration;

use cattery_proto::v1;

use super::{caveats, length, principal, service_name};
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::GrantRecord;
use crate::registry::decide;

pub(super) async fn add(
    authority: &Authority,
    act: Act,
    request: v1::AddGrantRequest,
) -> Result<v1::AddGrantResponse, Failure> {
    let principal = principal(&request.principal)?;
    let service = service_name(&request.service)?;
    caveats::check(&request.caveats, &caveats::GRANT)?;
    let most = authority.config.max_lease;
    let lease = length(
        request.max_lease_seconds,
        Duration::ZERO,
        most,
        "a lease (beyond the cluster's `max_lease`)",
    )?;
    let lease = (!lease.is_zero()).then_some(lease);
    let registry = &authority.registry;
    let grant =
        decide(|| registry.add_grant(&act, &principal, &service, request.caveats.clone(), lease))
            .await?;
    Ok(v1::AddGrantResponse {
        grant: Some(grant.into()),
    })
}

pub(super) async fn list(
    authority: &Authority,
    _: Act,
    request: v1::ListGrantsRequest,
) -> Result<v1::ListGrantsResponse, Failure> {
    let named = |name: &str| !name.is_empty();
    let principal = named(&request.principal).then(|| principal(&request.principal));
    let service = named(&request.service).then(|| service_name(&request.service));
    let grants = authority
        .registry
        .grants(
            principal.transpose()?.as_ref(),
            service.transpose()?.as_ref(),
        )
        .await?;
    Ok(v1::ListGrantsResponse {
        grants: grants.into_iter().map(Into::into).collect(),
    })
}

pub(super) async fn remove(
    authority: &Authority,
    act: Act,
    request: v1::RemoveGrantRequest,
) -> Result<v1::RemoveGrantResponse, Failure> {
    let principal = principal(&request.principal)?;
    let service = service_name(&request.service)?;
    decide(|| authority.registry.remove_grant(&act, &principal, &service)).await?;
    Ok(v1::RemoveGrantResponse {})
}

impl From<GrantRecord> for v1::Grant {
    fn from(grant: GrantRecord) -> Self {
        Self {
            principal: grant.principal,
            service: grant.service,
            caveats: grant.caveats,
            max_lease_seconds: grant.max_lease_seconds.unwrap_or(0),
            created_at: grant.created_at,
        }
    }
}
