use cattery_proto::v1;

use super::count;
use crate::act::Act;
use crate::audit::Action;
use crate::cluster::Authority;
use crate::failure::Failure;

pub(super) async fn cluster(
    authority: &Authority,
    act: Act,
    _: v1::GetClusterStatusRequest,
) -> Result<v1::GetClusterStatusResponse, Failure> {
    let registry = &authority.registry;
    let line = registry.live_epochs().await?.record.line.to_line()?;
    let members = registry.members().await?;
    let now = act.now();
    let news = authority.bulletin.fresh().await?;
    let overdue = authority.is_overdue(&line, now);
    Ok(v1::GetClusterStatusResponse {
        cluster_id: authority.cluster.cluster_id.to_string(),
        trust_domain: authority.cluster.trust_domain.clone(),
        authority_id: authority.config.authority_id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: authority.config.store.kind().to_owned(),
        active_epoch: line.active().number,
        incarnation: authority.cluster.incarnation,
        services: count(registry.services().await?.len()),
        users: count(registry.users().await?.len()),
        agents: count(registry.agents().await?.len()),
        ca_not_after: news.cas.active.not_after,
        certificate_not_after: *authority.certificate_not_after.borrow(),
        audit_records: registry.audit().head().seq,
        addresses: authority.addresses(),
        max_lease_seconds: authority.config.max_lease.as_secs(),
        leader: members.leader.unwrap_or_default(),
        authorities: members.alive,
        rotates_at: authority
            .rotation_period_of(&line)
            .map_or(0, |period| line.rotation_due_at(period)),
        rotation_overdue: overdue,
        warnings: authority.warnings(&news, overdue, now),
        trust_bundle: news.cas.bundle(),
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
