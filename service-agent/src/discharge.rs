//! Vouching as this service: discharges for third-party caveats (SPEC section 7).

use std::sync::Arc;

use cattery_core::{
    Caveat, DischargeSpec, MintError, ServiceName, UserKey, limits::DEFAULT_MAX_LIFETIME,
};
use cattery_proto::v1;

use crate::agent::Agent;
use crate::clock::unix_seconds;
use crate::mint::MintRefused;

/// How long a "yes" is believed where the caller says nothing, seconds.
const DEFAULT_TTL: u64 = 60;

impl Agent {
    /// Signs a discharge as this service.
    pub(crate) async fn sign_discharge(
        self: &Arc<Self>,
        request: &v1::SignDischargeRequest,
    ) -> Result<v1::SignDischargeResponse, MintRefused> {
        let audience: ServiceName = request
            .audience
            .parse()
            .map_err(|error| MintRefused::Request(format!("audience: {error}")))?;
        let bound_to = match &request.bound_to[..] {
            [] => None,
            digest => Some(digest.try_into().map_err(|_| {
                MintRefused::Request(format!("bound_to has 32 bytes, not {}", digest.len()))
            })?),
        };
        let caveats = request.caveats.iter().map(|caveat| Caveat::parse(caveat));
        let caveats = caveats.collect::<Result<Vec<_>, _>>()?;
        let since = (request.epoch, request.generation);
        let key = self.key_since(&audience, since).await?;
        let now = unix_seconds();
        let not_after = end(&key, request.ttl_seconds, now);
        let spec = DischargeSpec {
            not_before: now,
            not_after,
            ticket: &request.ticket,
            bound_to,
            caveats: &caveats,
        };
        let mut discharge = String::new();
        match key.discharge(&spec, &mut discharge) {
            Err(MintError::NarrowedKey) => Err(MintRefused::Narrowed(audience)),
            other => Ok(other?),
        }?;
        Ok(v1::SignDischargeResponse {
            discharge,
            not_after,
        })
    }
}

/// No verifier believes one for longer than its greatest lifetime, unless it is configured otherwise.
fn end(key: &UserKey, ttl_seconds: u32, now: u64) -> u64 {
    let ttl = match ttl_seconds {
        0 => DEFAULT_TTL,
        seconds => u64::from(seconds).min(DEFAULT_MAX_LIFETIME),
    };
    now.saturating_add(ttl).min(key.id().expires_at)
}
