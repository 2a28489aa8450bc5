//! Grants of two groups for the same services that say different things: whoever is in both gets no keys by either. Whoever brings that about
//! is told so, since it shows only when keys are renewed.

use std::collections::BTreeMap;

use cattery_proto::v1;

use super::count;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::granting::{Candidate, is_tied};
use crate::records::{GrantRecord, MembershipRecord};

/// By a user who comes into a group.
pub(super) async fn by_member(
    authority: &Authority,
    added: &MembershipRecord,
    user: &str,
) -> Result<Vec<v1::TiedGrant>, Failure> {
    let registry = &authority.registry;
    let registration = registry.known_user(user).await?.record.registration;
    let mine = grants(authority, &added.group, added.registration).await?;
    let mut tied = Vec::new();
    for other in registry.groups_of(user, registration).await? {
        let theirs = grants(authority, &other.group, other.registration).await?;
        tied.extend(among(&mine, &theirs, 1));
    }
    Ok(tied)
}

/// By a grant that was made or changed, to all who are in its group and in another one.
pub(super) async fn by_grant(
    authority: &Authority,
    grant: &GrantRecord,
) -> Result<Vec<v1::TiedGrant>, Failure> {
    let Some(group) = grant.principal.strip_prefix("group/") else {
        return Ok(Vec::new());
    };
    let registry = &authority.registry;
    let names = registry.names().await?;
    let mut others = BTreeMap::<(String, u32), usize>::new();
    for user in registry.memberships().await? {
        let current = user
            .groups
            .iter()
            .filter(|one| names.has_member(&user, one));
        let (here, elsewhere): (Vec<_>, Vec<_>) = current.partition(|one| one.group == group);
        if !here.is_empty() {
            for one in elsewhere {
                *others
                    .entry((one.group.clone(), one.registration))
                    .or_default() += 1;
            }
        }
    }
    let mine = [Candidate {
        group: Some(group.to_owned()),
        grant: grant.clone(),
    }];
    let mut tied = Vec::new();
    for ((other, registration), users) in others {
        let theirs = grants(authority, &other, registration).await?;
        tied.extend(among(&mine, &theirs, users));
    }
    Ok(tied)
}

async fn grants(
    authority: &Authority,
    group: &str,
    registration: u32,
) -> Result<Vec<Candidate>, Failure> {
    authority
        .registry
        .grants_of_group(group, registration)
        .await
}

/// Those of theirs that say something else than one of mine.
fn among(mine: &[Candidate], theirs: &[Candidate], users: usize) -> Vec<v1::TiedGrant> {
    let is_with = |one: &&Candidate| {
        let differs = |mine: &Candidate| mine.grant.is_for_what(&one.grant) && is_tied(mine, one);
        mine.iter().any(differs)
    };
    let tied = theirs.iter().filter(is_with).map(|one| v1::TiedGrant {
        service: one.grant.service.clone(),
        group: one.group.clone().unwrap_or_default(),
        users: count(users),
    });
    tied.collect()
}
