use std::time::Duration;

use cattery_core::{Principal, UserName};
use cattery_proto::v1;
use cattery_sdk::portable::ApiKey;
use cattery_sdk::sealing::{INFO_API_KEY, seal};

use super::revocations::position;
use super::{caveats, leases, length, portable, user_name};
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::ApiKeyRecord;
use crate::registry::{ApiKeyState, decide};

/// Ten years: whoever wants longer wants no end.
const API_KEY_MOST: Duration = Duration::from_secs(3650 * 24 * 3600);

pub(super) async fn create(
    authority: &Authority,
    act: Act,
    request: v1::CreateApiKeyRequest,
) -> Result<v1::CreateApiKeyResponse, Failure> {
    let user = user_name(&request.user)?;
    let ttl = length(
        request.ttl_seconds,
        Duration::ZERO,
        API_KEY_MOST,
        "an API key's life",
    )?;
    let ttl = (!ttl.is_zero()).then_some(ttl);
    caveats::check(&request.caveats, &caveats::API_KEY)?;
    // Tried first, so that a bad key leaves no API key behind.
    seal(&request.receiver_public_key, INFO_API_KEY, &[])?;
    let registry = &authority.registry;
    let (record, secret) =
        decide(|| registry.create_api_key(&act, user.as_str(), ttl, request.caveats.clone()))
            .await?;
    let text = ApiKey::new(portable(authority, &record.id, secret)?).to_text();
    Ok(v1::CreateApiKeyResponse {
        api_key: Some(shape(record, ApiKeyState::Active)),
        sealed_api_key: Some(seal(
            &request.receiver_public_key,
            INFO_API_KEY,
            text.as_bytes(),
        )?),
    })
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
    let key = decide(|| authority.registry.revoke_api_key(&act, &request.id)).await?;
    let user: UserName = key
        .user
        .parse()
        .map_err(|_| Failure::Broken("a stored user name is none"))?;
    let (principal, proof) = (Principal::user(&user), format!("api-key/{}", key.id));
    let ended = leases::revoke_of(authority, &act, &principal, &proof, request.wait).await?;
    Ok(v1::RevokeApiKeyResponse {
        api_key: Some(shape(key, ApiKeyState::Revoked)),
        leases: u64::try_from(ended.leases).unwrap_or(u64::MAX),
        position: ended.changed.map(|changed| position(authority, changed)),
    })
}

fn shape(key: ApiKeyRecord, state: ApiKeyState) -> v1::ApiKey {
    v1::ApiKey {
        id: key.id.to_string(),
        user: key.user,
        created_at: key.created_at,
        expires_at: key.expires_at.unwrap_or(0),
        caveats: key.caveats,
        state: match state {
            ApiKeyState::Active => "active",
            ApiKeyState::Expired => "expired",
            ApiKeyState::Revoked => "revoked",
        }
        .to_owned(),
    }
}
