use cattery_proto::v1;

use super::count;
use crate::act::Act;
use crate::audit::Action;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::rpc::service_keys::state;

pub(super) async fn epochs(
    authority: &Authority,
    _: Act,
    _: v1::ListEpochsRequest,
) -> Result<v1::ListEpochsResponse, Failure> {
    let epochs = authority.registry.epochs().await?;
    Ok(v1::ListEpochsResponse {
        epochs: epochs
            .into_iter()
            .rev()
            .map(|epoch| v1::Epoch {
                number: epoch.number,
                state: state(&epoch).into(),
                created_at: epoch.created_at,
                activated_at: epoch.activated_at.unwrap_or(0),
                not_after: epoch.not_after.unwrap_or(0),
            })
            .collect(),
    })
}

pub(super) async fn cluster(
    authority: &Authority,
    _: Act,
    _: v1::GetClusterStatusRequest,
) -> Result<v1::GetClusterStatusResponse, Failure> {
    let registry = &authority.registry;
    Ok(v1::GetClusterStatusResponse {
        cluster_id: authority.cluster.cluster_id.to_string(),
        trust_domain: authority.cluster.trust_domain.clone(),
        authority_id: authority.config.authority_id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: "embedded".to_owned(),
        active_epoch: registry.active_epoch().await?.number,
        incarnation: authority.cluster.incarnation,
        services: count(registry.services().await?.len()),
        users: count(registry.users().await?.len()),
        agents: count(registry.agents().await?.len()),
        ca_not_after: authority.ca.not_after(),
        certificate_not_after: *authority.certificate_not_after.borrow(),
        audit_records: registry.audit().head().seq,
        addresses: authority.addresses.clone(),
        max_lease_seconds: authority.config.max_lease.as_secs(),
    })
}

pub(super) async fn audit(
    authority: &Authority,
    act: Act,
    _: v1::VerifyAuditRequest,
) -> Result<v1::VerifyAuditResponse, Failure> {
    let Ok(_alone) = authority.verifying.try_lock() else {
        return Err(Failure::Refused(
            "the audit log is being checked for somebody already; try again when that is done"
                .into(),
        ));
    };
    let report = authority.registry.verify_audit().await?;
    let subject = format!("authority/{}", authority.config.authority_id);
    let event = act
        .event(Action::AuditVerified, subject)
        .field("intact", report.intact.to_string())
        .field("records", report.records.to_string());
    authority.registry.audit().append(event).await?;
    Ok(v1::VerifyAuditResponse {
        intact: report.intact,
        records: report.records,
        head: report.head.hash.0.to_vec(),
        problem: report.problem.unwrap_or_default(),
        dangling_intents: u64::try_from(report.dangling.len()).unwrap_or(u64::MAX),
    })
}
