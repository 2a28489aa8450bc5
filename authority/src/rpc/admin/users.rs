use std::collections::HashMap;

use cattery_proto::v1;

use super::{count, user_name};
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::{NameState, UserRecord};
use crate::registry::{ApiKeyState, decide};

pub(super) async fn add(
    authority: &Authority,
    act: Act,
    request: v1::AddUserRequest,
) -> Result<v1::AddUserResponse, Failure> {
    let name = user_name(&request.name)?;
    let user = decide(|| authority.registry.add_user(&act, &name)).await?;
    Ok(v1::AddUserResponse {
        user: Some(shape(user, 0)),
    })
}

pub(super) async fn list(
    authority: &Authority,
    act: Act,
    _: v1::ListUsersRequest,
) -> Result<v1::ListUsersResponse, Failure> {
    let mut keys = HashMap::<String, usize>::new();
    for (key, state) in authority.registry.api_keys(None, act.now()).await? {
        if state == ApiKeyState::Active {
            *keys.entry(key.user).or_default() += 1;
        }
    }
    let users = authority.registry.users().await?;
    Ok(v1::ListUsersResponse {
        users: users
            .into_iter()
            .map(|user| {
                let keys = keys.get(&user.name).copied().unwrap_or(0);
                shape(user, keys)
            })
            .collect(),
    })
}

pub(super) async fn disable(
    authority: &Authority,
    act: Act,
    request: v1::DisableUserRequest,
) -> Result<v1::DisableUserResponse, Failure> {
    let name = user_name(&request.name)?;
    let user = decide(|| authority.registry.disable_user(&act, name.as_str())).await?;
    Ok(v1::DisableUserResponse {
        user: Some(shape(user, 0)),
    })
}

pub(super) async fn revoke(
    authority: &Authority,
    act: Act,
    request: v1::RevokeUserRequest,
) -> Result<v1::RevokeUserResponse, Failure> {
    let name = user_name(&request.name)?;
    let user = decide(|| authority.registry.revoke_user(&act, name.as_str())).await?;
    Ok(v1::RevokeUserResponse {
        user: Some(shape(user, 0)),
    })
}

fn shape(user: UserRecord, api_keys: usize) -> v1::User {
    v1::User {
        name: user.name,
        version: user.version,
        state: match user.state {
            NameState::Active => "active",
            NameState::Disabled => "disabled",
        }
        .to_owned(),
        created_at: user.created_at,
        api_keys: count(api_keys),
    }
}
