//! API keys that users make, see and end themselves.

use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_API_KEY, seal};

use crate::cluster::Authority;
use crate::failure::Failure;
use crate::registry::{ApiKeyState, decide};
use crate::rpc::admin::{api_keys, caveats, count};
use crate::rpc::call::Call;

pub(super) async fn create(
    authority: &Authority,
    call: Call,
    request: v1::CreateOwnApiKeyRequest,
) -> Result<v1::CreateOwnApiKeyResponse, Failure> {
    let parent = call.caller.user()?;
    let ttl = api_keys::ttl(request.ttl_seconds)?;
    let all = [parent.caveats.as_slice(), &request.caveats].concat();
    caveats::check(&all, &caveats::API_KEY).map_err(|why| beside(why, parent.caveats.len()))?;
    let receiver = &request.receiver_public_key;
    // Tried first, so that a bad key leaves no API key behind.
    seal(receiver, INFO_API_KEY, &[])?;
    let registry = &authority.registry;
    let made = decide(|| {
        registry.create_own_api_key(&call.act, &parent.api_key, ttl, request.caveats.clone())
    })
    .await?;
    let (api_key, sealed) = api_keys::sealed(authority, made, receiver)?;
    Ok(v1::CreateOwnApiKeyResponse {
        api_key: Some(api_key),
        sealed_api_key: Some(sealed),
    })
}

/// What is wrong with the caveats, where some of them are the parent's.
fn beside(why: Failure, inherited: usize) -> Failure {
    match why {
        Failure::Invalid(why) if inherited > 0 => Failure::Invalid(format!(
            "{why}. The first {inherited} are those of the API key that it is made with: give fewer or shorter ones, or use one that has fewer"
        )),
        other => other,
    }
}

pub(super) async fn list(
    authority: &Authority,
    call: Call,
) -> Result<v1::ListOwnApiKeysResponse, Failure> {
    let own = call.caller.user()?;
    let registry = &authority.registry;
    let keys = registry.own_api_keys(&own.api_key, call.act.now()).await?;
    let keys = keys.into_iter();
    Ok(v1::ListOwnApiKeysResponse {
        api_keys: keys
            .map(|(key, state)| api_keys::shape(key, state))
            .collect(),
    })
}

pub(super) async fn revoke(
    authority: &Authority,
    call: Call,
    request: v1::RevokeOwnApiKeyRequest,
) -> Result<v1::RevokeOwnApiKeyResponse, Failure> {
    let own = call.caller.user()?;
    let registry = &authority.registry;
    let (key, children) =
        decide(|| registry.revoke_own_api_key(&call.act, &own.api_key, &request.id)).await?;
    // Whoever ended what they called with has nothing that this could rest on.
    let act = call.act.resting_on_nothing();
    let ended = api_keys::revoke_leases(authority, &act, &key, false).await?;
    Ok(v1::RevokeOwnApiKeyResponse {
        api_key: Some(api_keys::shape(key, ApiKeyState::Revoked)),
        leases: u64::try_from(ended.leases).unwrap_or(u64::MAX),
        children: count(children),
    })
}
