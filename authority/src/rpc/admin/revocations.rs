//! Revoking by id, and how far that has come.

use cattery_core::Principal;
use cattery_core::epoch::{LeftBehind, Position};
use cattery_proto::v1;

use super::schedule::named;
use super::{count, principal};
use crate::act::{Act, now_ms};
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::{Hex, RevocableIdRecord};
use crate::registry::{Contact, MOST_REVOKED, Of, Revocation, Revoking, decide};

pub(super) async fn revoke(
    authority: &Authority,
    act: Act,
    request: v1::RevokeRequest,
) -> Result<v1::RevokeResponse, Failure> {
    let revocations = checked(&request.revocations, MOST_REVOKED)?;
    let registry = &authority.registry;
    registry.expect_known(&revocations).await?;
    let how = Revoking {
        timing: authority.timing(),
        wait: request.wait,
        because: None,
        own: None,
    };
    let changed = decide(|| registry.revoke_ids(&act, &revocations, how)).await?;
    Ok(v1::RevokeResponse {
        position: Some(position(authority, changed)),
    })
}

pub(super) async fn reach(
    authority: &Authority,
    _: Act,
    request: v1::GetReachRequest,
) -> Result<v1::GetReachResponse, Failure> {
    let asked = request.position.map(|position| Position {
        incarnation: position.incarnation,
        sequence: position.sequence,
    });
    let asked = asked.ok_or_else(|| Failure::Invalid("the request names no position".into()))?;
    check_awaited(authority, asked).await?;
    let (timing, now) = (authority.timing(), now_ms() / 1000);
    let contacts = authority.registry.contacts(Of::Cluster).await?;
    let live: Vec<&Contact> = contacts
        .iter()
        .filter(|contact| contact.live_until(timing) >= now)
        .collect();
    let missing: Vec<LeftBehind> = live
        .iter()
        .filter(|contact| !contact.holds(asked.sequence))
        .map(|contact| LeftBehind {
            id: contact.record.agent.clone(),
            until: contact.live_until(timing),
        })
        .collect();
    Ok(v1::GetReachResponse {
        live_agents: count(live.len()),
        holding: count(live.len() - missing.len()),
        missing: named(&missing, &contacts),
    })
}

/// Only of what somebody waits for it is known who has it.
async fn check_awaited(authority: &Authority, asked: Position) -> Result<(), Failure> {
    let incarnation = authority.cluster.incarnation;
    if asked.incarnation != incarnation {
        return Err(Failure::Refused(format!(
            "this is a place of incarnation {}, and the cluster is in incarnation {incarnation}: what was issued before a restore is void",
            asked.incarnation
        )));
    }
    let awaited = authority.registry.awaited().await?;
    if asked.sequence > awaited {
        return Err(Failure::Refused(format!(
            "nobody waits for sequence {}, so it is not known which agents have it: revoke once more, with `wait`",
            asked.sequence
        )));
    }
    Ok(())
}

/// A place in this cluster's feed.
pub(super) fn position(authority: &Authority, sequence: u64) -> v1::Position {
    v1::Position {
        incarnation: authority.cluster.incarnation,
        sequence,
    }
}

/// What is to be revoked, at most so many.
pub(in crate::rpc) fn checked(
    given: &[v1::Revocation],
    most: usize,
) -> Result<Vec<Revocation>, Failure> {
    if !(1..=most).contains(&given.len()) {
        return Err(Failure::Invalid(format!(
            "{} revocations are in the request, and there have to be from 1 to {most}",
            given.len()
        )));
    }
    let revocations = given.iter().enumerate().map(|(index, given)| {
        one(given).map_err(|why| match why {
            Failure::Invalid(why) => Failure::Invalid(format!("revocation {}: {why}", index + 1)),
            other => other,
        })
    });
    revocations.collect()
}

fn one(one: &v1::Revocation) -> Result<Revocation, Failure> {
    let id = match one.kind() {
        v1::RevocationKind::Lease => RevocableIdRecord::Lease(id(&one.id, "a lease's")?),
        v1::RevocationKind::Token => RevocableIdRecord::Token(id(&one.id, "a token's")?),
        v1::RevocationKind::HandedOut => {
            RevocableIdRecord::HandedOut(id(&one.id, "a handed-out key's")?)
        }
        v1::RevocationKind::Unspecified => {
            return Err(Failure::Invalid("its kind is none that there is".into()));
        }
    };
    let principal: Principal = principal(&one.principal)?;
    if one.not_after != 0 && !matches!(id, RevocableIdRecord::Token(_)) {
        return Err(Failure::Invalid(
            "not_after is for tokens, and this is none".into(),
        ));
    }
    Ok(Revocation {
        principal,
        id,
        not_after: (one.not_after != 0).then_some(one.not_after),
    })
}

fn id<const N: usize>(id: &[u8], whose: &str) -> Result<Hex<N>, Failure> {
    id.try_into().map(Hex).map_err(|_| {
        Failure::Invalid(format!(
            "the id has {} bytes, and {whose} has {N}",
            id.len()
        ))
    })
}
