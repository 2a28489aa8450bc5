//! Who is calling, proved.

use cattery_core::Verified;
use cattery_proto::v1::VerifiedCaller;

use super::CallerRef;

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
        CallerRef::verified(verified).into()
    }
}

impl Caller {
    /// A caller that nobody has verified, for the unit tests of handlers: a token of epoch 1 that says no more than who it is.
    pub fn for_tests(principal: impl Into<String>) -> Self {
        Self {
            principal: principal.into(),
            token_id: [0; 16],
            scopes: None,
            claims_type: String::new(),
            claims: Vec::new(),
            epoch: 1,
            not_after: u64::MAX,
            lease_id: [0; 8],
        }
    }

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
