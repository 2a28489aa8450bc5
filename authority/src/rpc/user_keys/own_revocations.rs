//! What users take back themselves.

use std::collections::HashSet;

use cattery_core::{Fingerprint, Principal};
use cattery_proto::v1;

use crate::cluster::Authority;
use crate::failure::Failure;
use crate::registry::{Proven, Revocation, Revoking, decide};
use crate::rpc::admin::{count, revocations};
use crate::rpc::call::Call;

/// Most in one call.
const MOST: usize = 100;

pub(super) async fn revoke(
    authority: &Authority,
    call: Call,
    request: v1::RevokeOwnRequest,
) -> Result<v1::RevokeOwnResponse, Failure> {
    let own = call.caller.user()?;
    check(own)?;
    let principal = Principal::user(&own.user);
    let given = request.revocations.into_iter().map(|one| v1::Revocation {
        kind: one.kind,
        principal: principal.as_str().to_owned(),
        id: one.id,
        not_after: one.not_after,
    });
    let given: Vec<_> = given.collect();
    let mut left = revocations::checked(&given, MOST)?;
    // What is revoked already, or named twice, counts once.
    let key = authority.bulletin.revocation_key();
    let fingerprint = |one: &Revocation| key.fingerprint(principal.as_str(), &one.id.into());
    let wanted: HashSet<Fingerprint> = left.iter().map(fingerprint).collect();
    let known = authority.bulletin.fresh().await?.revoked.among(&wanted);
    let mut seen: HashSet<Fingerprint> = known.into_keys().collect();
    left.retain(|one| seen.insert(fingerprint(one)));
    if !left.is_empty() {
        let proof = format!("api-key/{}", own.api_key);
        let how = Revoking {
            timing: authority.timing(),
            wait: false,
            because: Some(("proof", &proof)),
            own: Some(&principal),
        };
        decide(|| authority.registry.revoke_ids(&call.act, &left, how)).await?;
    }
    Ok(v1::RevokeOwnResponse {
        added: count(left.len()),
    })
}

/// An API key that was handed on, or narrowed for a purpose, takes nothing away from whoever made it.
fn check(own: &Proven) -> Result<(), Failure> {
    if own.parent.is_none() && own.caveats.is_empty() {
        return Ok(());
    }
    Err(Failure::Denied(
        "this API key is narrowed, and only one without conditions that an operator made takes back what was handed out: use that one, or \
         ask an operator for `cattery revoke`"
            .into(),
    ))
}
