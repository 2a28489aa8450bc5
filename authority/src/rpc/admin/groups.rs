use std::collections::HashMap;

use cattery_proto::v1;

use super::{count, ending, group_name, tied, user_name};
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::granting::Grantee;
use crate::records::{GroupRecord, MembershipRecord};
use crate::registry::{Under, decide};

/// Most members in one answer.
const MOST_SHOWN: usize = 10_000;

pub(super) async fn add(
    authority: &Authority,
    act: Act,
    request: v1::AddGroupRequest,
) -> Result<v1::AddGroupResponse, Failure> {
    let name = group_name(&request.name)?;
    let group = decide(|| authority.registry.add_group(&act, &name)).await?;
    Ok(v1::AddGroupResponse {
        group: Some(shape(group, 0, 0)),
    })
}

pub(super) async fn list(
    authority: &Authority,
    _: Act,
    request: v1::ListGroupsRequest,
) -> Result<v1::ListGroupsResponse, Failure> {
    let registry = &authority.registry;
    let mut groups = registry.groups().await?;
    if !request.user.is_empty() {
        let user = user_name(&request.user)?;
        let user = registry.known_user(user.as_str()).await?.record;
        let its = registry.groups_of(&user.name, user.registration).await?;
        groups.retain(|group| its.iter().any(|one| one.is_of(group)));
    }
    let names = registry.names().await?;
    let mut members = HashMap::<String, usize>::new();
    for user in registry.memberships().await? {
        for one in user
            .groups
            .iter()
            .filter(|one| names.has_member(&user, one))
        {
            *members.entry(one.group.clone()).or_default() += 1;
        }
    }
    let mut grants = HashMap::<String, usize>::new();
    for grant in registry.grants(None, None).await? {
        if let Some(group) = grant.principal.strip_prefix("group/") {
            *grants.entry(group.to_owned()).or_default() += 1;
        }
    }
    let of = |counts: &HashMap<String, usize>, group: &GroupRecord| {
        counts.get(&group.name).copied().unwrap_or(0)
    };
    Ok(v1::ListGroupsResponse {
        groups: groups
            .into_iter()
            .map(|group| {
                let (members, grants) = (of(&members, &group), of(&grants, &group));
                shape(group, members, grants)
            })
            .collect(),
    })
}

pub(super) async fn get(
    authority: &Authority,
    _: Act,
    request: v1::GetGroupRequest,
) -> Result<v1::GetGroupResponse, Failure> {
    let registry = &authority.registry;
    let name = group_name(&request.name)?;
    let group = registry.group(name.as_str()).await?.record;
    let names = registry.names().await?;
    let mut members = Vec::new();
    for user in registry.memberships().await? {
        let is_in = |one: &&MembershipRecord| one.is_of(&group) && names.has_member(&user, one);
        if let Some(one) = user.groups.iter().find(is_in) {
            members.push(member(&user.user, one));
        }
    }
    let grantee = Grantee::Group(name);
    let grants = registry.grants(Some(&grantee), None).await?;
    let group = shape(group, members.len(), grants.len());
    members.truncate(MOST_SHOWN);
    Ok(v1::GetGroupResponse {
        group: Some(group),
        members,
        grants: grants.into_iter().map(Into::into).collect(),
    })
}

pub(super) async fn remove(
    authority: &Authority,
    act: Act,
    request: v1::RemoveGroupRequest,
) -> Result<v1::RemoveGroupResponse, Failure> {
    let name = group_name(&request.name)?;
    let removed = decide(|| authority.registry.remove_group(&act, &name)).await;
    let under = Under::Group(&name);
    let (_, leases) = ending::after(authority, &act, removed, under, request.ending).await?;
    Ok(v1::RemoveGroupResponse {
        leases: Some(leases),
    })
}

pub(super) async fn add_member(
    authority: &Authority,
    act: Act,
    request: v1::AddGroupMemberRequest,
) -> Result<v1::AddGroupMemberResponse, Failure> {
    let registry = &authority.registry;
    let (group, user) = (group_name(&request.group)?, user_name(&request.user)?);
    let added = decide(|| registry.add_group_member(&act, &group, user.as_str())).await?;
    Ok(v1::AddGroupMemberResponse {
        member: Some(member(user.as_str(), &added)),
        tied: tied::by_member(authority, &added, user.as_str()).await?,
    })
}

pub(super) async fn remove_member(
    authority: &Authority,
    act: Act,
    request: v1::RemoveGroupMemberRequest,
) -> Result<v1::RemoveGroupMemberResponse, Failure> {
    let registry = &authority.registry;
    let (group, user) = (group_name(&request.group)?, user_name(&request.user)?);
    let removed = decide(|| registry.remove_group_member(&act, &group, user.as_str())).await;
    let under = Under::Member(&group, &user);
    let (_, leases) = ending::after(authority, &act, removed, under, request.ending).await?;
    Ok(v1::RemoveGroupMemberResponse {
        leases: Some(leases),
    })
}

fn member(user: &str, membership: &MembershipRecord) -> v1::GroupMember {
    v1::GroupMember {
        user: user.to_owned(),
        added_at: membership.added_at,
    }
}

fn shape(group: GroupRecord, members: usize, grants: usize) -> v1::Group {
    v1::Group {
        name: group.name,
        created_at: group.created_at,
        members: count(members),
        grants: count(grants),
    }
}
