use std::time::Duration;

use cattery_core::{Principal, UserName};
use cattery_proto::v1;
use cattery_sdk::portable::ApiKey;
use cattery_sdk::sealing::{INFO_API_KEY, seal};

use super::revocations::position;
use super::{caveats, count, leases, length, portable, user_name};
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::ApiKeyRecord;
use crate::registry::{ApiKeyState, Fresh, decide};

/// Ten years: whoever wants longer wants no end.
const MOST: Duration = Duration::from_secs(3650 * 24 * 3600);

pub(super) async fn create(
    authority: &Authority,
    act: Act,
    request: v1::CreateApiKeyRequest,
) -> Result<v1::CreateApiKeyResponse, Failure> {
    let user = user_name(&request.user)?;
    let ttl = ttl(request.ttl_seconds)?;
    caveats::check(&request.caveats, &caveats::API_KEY)?;
    let receiver = &request.receiver_public_key;
    // Tried first, so that a bad key leaves no API key behind.
    seal(receiver, INFO_API_KEY, &[])?;
    let registry = &authority.registry;
    let made =
        decide(|| registry.create_api_key(&act, user.as_str(), ttl, request.caveats.clone()))
            .await?;
    let (api_key, sealed) = sealed(authority, made, receiver)?;
    Ok(v1::CreateApiKeyResponse {
        api_key: Some(api_key),
        sealed_api_key: Some(sealed),
    })
}

/// How long one is to be good for, if it is to end.
pub(in crate::rpc) fn ttl(seconds: u64) -> Result<Option<Duration>, Failure> {
    let ttl = length(seconds, Duration::ZERO, MOST, "an API key's life")?;
    Ok((!ttl.is_zero()).then_some(ttl))
}

/// One that was just made, as it is listed, and its text.
pub(in crate::rpc) fn sealed(
    authority: &Authority,
    (record, secret): Fresh<ApiKeyRecord>,
    receiver: &[u8],
) -> Result<(v1::ApiKey, v1::Sealed), Failure> {
    let text = ApiKey::new(portable(authority, &record.id, secret)?).to_text();
    let sealed = seal(receiver, INFO_API_KEY, text.as_bytes())?;
    Ok((shape(record, ApiKeyState::Active), sealed))
}

pub(super) async fn list(
    authority: &Authority,
    act: Act,
    request: v1::ListApiKeysRequest,
) -> Result<v1::ListApiKeysResponse, Failure> {
    let registry = &authority.registry;
    let user = match request.user.as_str() {
        "" => None,
        name => Some(user_name(name)?),
    };
    if let Some(user) = &user {
        registry.known_user(user.as_str()).await?;
    }
    let user = user.as_ref().map(|user| user.as_str());
    let keys = registry.api_keys(user, act.now()).await?;
    Ok(v1::ListApiKeysResponse {
        api_keys: keys
            .into_iter()
            .map(|(key, state)| shape(key, state))
            .collect(),
    })
}

pub(super) async fn revoke(
    authority: &Authority,
    act: Act,
    request: v1::RevokeApiKeyRequest,
) -> Result<v1::RevokeApiKeyResponse, Failure> {
    let (key, children) = decide(|| authority.registry.revoke_api_key(&act, &request.id)).await?;
    let ended = revoke_leases(authority, &act, &key, request.wait).await?;
    Ok(v1::RevokeApiKeyResponse {
        api_key: Some(shape(key, ApiKeyState::Revoked)),
        leases: u64::try_from(ended.leases).unwrap_or(u64::MAX),
        position: ended.changed.map(|changed| position(authority, changed)),
        children: count(children),
    })
}

/// Revokes what is out of the leases that were fetched with one that is revoked, or with those that it made.
pub(in crate::rpc) async fn revoke_leases(
    authority: &Authority,
    act: &Act,
    key: &ApiKeyRecord,
    wait: bool,
) -> Result<leases::Ended, Failure> {
    let user: UserName = key
        .user
        .parse()
        .map_err(|_| Failure::Broken("a stored user name is none"))?;
    let (principal, proof) = (Principal::user(&user), format!("api-key/{}", key.id));
    leases::revoke_of(authority, act, &principal, &proof, wait).await
}

pub(in crate::rpc) fn shape(key: ApiKeyRecord, state: ApiKeyState) -> v1::ApiKey {
    v1::ApiKey {
        id: key.id.to_string(),
        user: key.user,
        created_at: key.created_at,
        expires_at: key.expires_at.unwrap_or(0),
        caveats: key.caveats,
        parent: key.parent.map(|id| id.to_string()).unwrap_or_default(),
        state: match state {
            ApiKeyState::Active => "active",
            ApiKeyState::Expired => "expired",
            ApiKeyState::Revoked => "revoked",
        }
        .to_owned(),
    }
}
