//! Who is calling, proved.

use cattery_core::Verified;
use cattery_proto::v1::VerifiedCaller;

/// Who is calling: an extension of every request that [`VerifyLayer`](super::VerifyLayer) lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// `user/NAME` or `service/NAME`.
    pub principal: String,
    /// Names the token, in logs and for revocation.
    pub token_id: [u8; 16],
    /// The scopes that the token is narrowed to; `None` where nothing limits them.
    pub scopes: Option<Vec<String>>,
    /// Full name of the message in `claims`, or empty.
    pub claims_type: String,
    /// What the signer says of themselves: it grants nothing.
    pub claims: Vec<u8>,
    /// The epoch of the key that signed.
    pub epoch: u32,
    /// When the token ends, Unix seconds.
    pub not_after: u64,
    /// The lease of the key that signed.
    pub lease_id: [u8; 8],
}

impl From<&Verified<'_>> for Caller {
    fn from(verified: &Verified<'_>) -> Self {
        let key_id = verified.key_id();
        Self {
            principal: key_id.principal.to_owned(),
            token_id: verified.token_id(),
            scopes: verified
                .scopes()
                .map(|scopes| scopes.map(str::to_owned).collect()),
            claims_type: verified.claims_type().to_owned(),
            claims: verified.claims().to_vec(),
            epoch: key_id.epoch,
            not_after: verified.not_after(),
            lease_id: key_id.lease_id,
        }
    }
}

impl Caller {
    /// `None` where an id has not its length: the agent's fault.
    pub(super) fn from_agent(caller: VerifiedCaller) -> Option<Self> {
        Some(Self {
            principal: caller.principal,
            token_id: caller.token_id.try_into().ok()?,
            scopes: caller.scoped.then_some(caller.scopes),
            claims_type: caller.claims_type,
            claims: caller.claims,
            epoch: caller.epoch,
            not_after: caller.not_after,
            lease_id: caller.lease_id.try_into().ok()?,
        })
    }
}
