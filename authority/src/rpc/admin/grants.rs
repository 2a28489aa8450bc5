use std::time::Duration;

use cattery_proto::v1;

use super::{caveats, ending, grantee, length, principal, service_name, services, tied};
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::granting::{Choice, Standing, choose, in_order};
use crate::records::GrantRecord;
use crate::registry::{Applying, Conditions, Under, decide};

pub(super) async fn add(
    authority: &Authority,
    act: Act,
    request: v1::AddGrantRequest,
) -> Result<v1::AddGrantResponse, Failure> {
    let grantee = grantee(&request.principal)?;
    let services = services(&request.service)?;
    let conditions = conditions(
        authority,
        Some(request.caveats),
        Some(request.max_lease_seconds),
    )?;
    let registry = &authority.registry;
    let grant =
        decide(|| registry.add_grant(&act, &grantee, &services, conditions.clone())).await?;
    Ok(v1::AddGrantResponse {
        tied: tied::by_grant(authority, &grant).await?,
        grant: Some(grant.into()),
    })
}

pub(super) async fn list(
    authority: &Authority,
    _: Act,
    request: v1::ListGrantsRequest,
) -> Result<v1::ListGrantsResponse, Failure> {
    let named = |name: &str| !name.is_empty();
    let grantee = named(&request.principal).then(|| grantee(&request.principal));
    let services = named(&request.service).then(|| services(&request.service));
    let grants = authority
        .registry
        .grants(
            grantee.transpose()?.as_ref(),
            services.transpose()?.as_ref(),
        )
        .await?;
    Ok(v1::ListGrantsResponse {
        grants: grants.into_iter().map(Into::into).collect(),
    })
}

pub(super) async fn set(
    authority: &Authority,
    act: Act,
    request: v1::SetGrantRequest,
) -> Result<v1::SetGrantResponse, Failure> {
    let grantee = grantee(&request.principal)?;
    let services = services(&request.service)?;
    let caveats = request.caveats.map(|given| given.caveats);
    if caveats.is_none() && request.max_lease_seconds.is_none() {
        return Err(Failure::Invalid(
            "the request names nothing to change: give caveats, or a greatest lease".into(),
        ));
    }
    let conditions = conditions(authority, caveats, request.max_lease_seconds)?;
    let registry = &authority.registry;
    let grant =
        decide(|| registry.set_grant(&act, &grantee, &services, conditions.clone())).await?;
    let under = Under::Grant(&grantee, &services);
    let tied = tied::by_grant(authority, &grant).await?;
    let (grant, leases) = ending::after(authority, &act, Ok(grant), under, request.ending).await?;
    Ok(v1::SetGrantResponse {
        grant: grant.map(Into::into),
        leases: Some(leases),
        tied,
    })
}

pub(super) async fn remove(
    authority: &Authority,
    act: Act,
    request: v1::RemoveGrantRequest,
) -> Result<v1::RemoveGrantResponse, Failure> {
    let grantee = grantee(&request.principal)?;
    let services = services(&request.service)?;
    let removed = decide(|| authority.registry.remove_grant(&act, &grantee, &services)).await;
    let under = Under::Grant(&grantee, &services);
    let (_, leases) = ending::after(authority, &act, removed, under, request.ending).await?;
    Ok(v1::RemoveGrantResponse {
        leases: Some(leases),
    })
}

pub(super) async fn explain(
    authority: &Authority,
    _: Act,
    request: v1::ExplainGrantRequest,
) -> Result<v1::ExplainGrantResponse, Failure> {
    let registry = &authority.registry;
    let principal = principal(&request.principal)?;
    let registration = registry.client(&principal).await?.registration();
    let name = service_name(&request.service)?;
    let service = registry.service(name.as_str()).await?.record;
    let mut applying = Applying::to(registry, &principal, registration).await?;
    let all = applying.all().await?;
    let ordered = in_order(&service, &all);
    let is_tied = matches!(choose(&service, &all), Choice::Tied(..));
    let considered = ordered.iter().map(|candidate| v1::ConsideredGrant {
        standing: v1::GrantStanding::from(candidate.standing(ordered[0], is_tied)).into(),
        grant: Some(candidate.grant.clone().into()),
    });
    Ok(v1::ExplainGrantResponse {
        considered: considered.collect(),
    })
}

/// What a grant is to limit, which has to be something that can hold.
fn conditions(
    authority: &Authority,
    caveats: Option<Vec<Vec<u8>>>,
    max_lease_seconds: Option<u64>,
) -> Result<Conditions, Failure> {
    if let Some(caveats) = &caveats {
        caveats::check(caveats, &caveats::GRANT)?;
    }
    let most = authority.config.max_lease;
    let what = "a lease (beyond the cluster's `max_lease`)";
    let length = |seconds| length(seconds, Duration::ZERO, most, what);
    let max_lease = max_lease_seconds.map(length).transpose()?;
    Ok(Conditions {
        caveats,
        max_lease: max_lease.map(|lease| (!lease.is_zero()).then_some(lease)),
    })
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

impl From<Standing> for v1::GrantStanding {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Applies => Self::Applies,
            Standing::Tied => Self::Tied,
            Standing::OwnFirst => Self::OwnFirst,
            Standing::ExactFirst => Self::ExactFirst,
            Standing::LongerFirst => Self::LongerFirst,
            Standing::Same => Self::Same,
        }
    }
}
