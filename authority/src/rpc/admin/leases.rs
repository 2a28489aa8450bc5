//! The leases of a principal, and taking back what is out of some: those of an API key, of an agent, or under a grant.

use std::collections::{HashMap, HashSet};

use cattery_core::{Fingerprint, Principal};
use cattery_proto::v1;

use super::principal;
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::{Leased, LeasesRecord, RevocableIdRecord};
use crate::registry::{MOST_REVOKED, Revocation, Revoking, decide};

/// Most leases in one answer.
const MOST_SHOWN: usize = 10_000;

/// What was revoked of some leases.
pub(in crate::rpc) struct Ended {
    /// Those that were out.
    pub(in crate::rpc) leases: usize,
    /// Those of them that were not revoked before.
    pub(super) newly: usize,
    /// The last change that revoked one of them, in the feed.
    pub(super) changed: Option<u64>,
}

pub(super) async fn list(
    authority: &Authority,
    act: Act,
    request: v1::ListLeasesRequest,
) -> Result<v1::ListLeasesResponse, Failure> {
    let principal = principal(&request.principal)?;
    let registry = &authority.registry;
    registry.expect_known_principal(&principal).await?;
    let now = act.now();
    let records = registry.leases_of(principal.as_str()).await?;
    let mut leases: Vec<(&LeasesRecord, &Leased)> = out(&records, |lease| lease.expires_at > now)
        .rev()
        .take(MOST_SHOWN + 1)
        .collect();
    let more = leases.len() > MOST_SHOWN;
    leases.truncate(MOST_SHOWN);
    let revoked = Revoked::find(authority, &leases).await?;
    let leases = leases.into_iter().map(|(record, lease)| {
        let (grant_principal, grant_service) = lease.under(&record.principal);
        v1::Lease {
            lease_id: lease.id.0.to_vec(),
            service: lease.service.clone(),
            proof: record.proof.clone(),
            issued_at: record.issued_at,
            expires_at: lease.expires_at,
            revoked: revoked.by(record, lease).is_some(),
            grant_principal: grant_principal.to_owned(),
            grant_service: grant_service.to_owned(),
        }
    });
    Ok(v1::ListLeasesResponse {
        leases: leases.collect(),
        more,
        server_time: now,
    })
}

/// Revokes what is out of the leases of a proof that was taken back before, and of those that hang on it: nothing is issued on them any more.
pub(super) async fn revoke_of(
    authority: &Authority,
    act: &Act,
    principal: &Principal,
    proof: &str,
    wait: bool,
) -> Result<Ended, Failure> {
    let mut records = authority.registry.leases_of(principal.as_str()).await?;
    records.retain(|record| record.hang_on(proof));
    revoke_out(authority, act, &records, ("proof", proof), wait).await
}

/// Revokes what is out of these leases, for a reason that the audit log gets. Whatever was done already is not done again, so this can be
/// called until it succeeds.
pub(super) async fn revoke_out(
    authority: &Authority,
    act: &Act,
    records: &[LeasesRecord],
    because: (&str, &str),
    wait: bool,
) -> Result<Ended, Failure> {
    let registry = &authority.registry;
    let timing = authority.timing();
    // An agent whose clock is behind accepts for so long.
    let forgiven = timing.leeway.saturating_mul(2);
    let leases: Vec<_> = out(records, |lease| {
        lease.expires_at.saturating_add(forgiven) > act.now()
    })
    .collect();
    let revoked = Revoked::find(authority, &leases).await?;
    let mut left = Vec::new();
    for (record, lease) in &leases {
        if revoked.by(record, lease).is_none() {
            left.push(Revocation {
                principal: principal(&record.principal)?,
                id: RevocableIdRecord::Lease(lease.id),
                not_after: Some(lease.expires_at),
            });
        }
    }
    let how = Revoking {
        timing,
        wait,
        because: Some(because),
        own: None,
    };
    let mut changed = revoked.last();
    for some in left.chunks(MOST_REVOKED) {
        changed = Some(decide(|| registry.revoke_ids(act, some, how)).await?);
    }
    if let Some(changed) = changed.filter(|_| wait) {
        decide(|| registry.await_change(act, changed)).await?;
    }
    Ok(Ended {
        leases: leases.len(),
        newly: left.len(),
        changed,
    })
}

/// How many of these leases are good, and when the last of them ends, Unix seconds.
pub(super) async fn good(
    authority: &Authority,
    now: u64,
    records: &[LeasesRecord],
) -> Result<(usize, u64), Failure> {
    let mut leases: Vec<_> = out(records, |lease| lease.expires_at > now).collect();
    let revoked = Revoked::find(authority, &leases).await?;
    leases.retain(|(record, lease)| revoked.by(record, lease).is_none());
    let ends = leases.iter().map(|(_, lease)| lease.expires_at);
    Ok((leases.len(), ends.max().unwrap_or(0)))
}

/// Each lease of these that may still be out, with the call that it came of.
fn out(
    records: &[LeasesRecord],
    is_out: impl Fn(&Leased) -> bool,
) -> impl DoubleEndedIterator<Item = (&LeasesRecord, &Leased)> {
    records
        .iter()
        .flat_map(|record| record.leases.iter().map(move |lease| (record, lease)))
        .filter(move |(_, lease)| is_out(lease))
}

/// Which leases are revoked by their ids, and by which change.
struct Revoked<'a> {
    authority: &'a Authority,
    changes: HashMap<Fingerprint, u64>,
}

impl<'a> Revoked<'a> {
    async fn find(
        authority: &'a Authority,
        leases: &[(&LeasesRecord, &Leased)],
    ) -> Result<Self, Failure> {
        let mut found = Self {
            authority,
            changes: HashMap::new(),
        };
        let wanted: HashSet<Fingerprint> = leases
            .iter()
            .map(|(record, lease)| found.fingerprint(record, lease))
            .collect();
        found.changes = authority.bulletin.fresh().await?.revoked.among(&wanted);
        Ok(found)
    }

    fn by(&self, record: &LeasesRecord, lease: &Leased) -> Option<u64> {
        self.changes.get(&self.fingerprint(record, lease)).copied()
    }

    /// The last of the changes.
    fn last(&self) -> Option<u64> {
        self.changes.values().copied().max()
    }

    fn fingerprint(&self, record: &LeasesRecord, lease: &Leased) -> Fingerprint {
        let id = RevocableIdRecord::Lease(lease.id).into();
        let key = self.authority.bulletin.revocation_key();
        key.fingerprint(&record.principal, &id)
    }
}
