//! What is revoked (SPEC section 5, steps 5 to 7).

use crate::limits::{ID_LEN, LEASE_ID_LEN};

/// Knows what is revoked. The three sets are separate, and each is one of pairs with the principal.
pub trait Revocations {
    /// The least version of the principal's keys that is not revoked; 0 where none is.
    fn least_version(&self, principal: &str) -> u32;
    /// Whether this lease of the principal is revoked.
    fn lease_revoked(&self, principal: &str, lease_id: &[u8; LEASE_ID_LEN]) -> bool;
    /// Whether this token of the principal is revoked.
    fn token_revoked(&self, principal: &str, token_id: &[u8; ID_LEN]) -> bool;
    /// Whether this handed-out key of the principal (the id of a `revocation_id` caveat) is revoked.
    fn key_revoked(&self, principal: &str, revocation_id: &[u8; ID_LEN]) -> bool;
}

impl<T: Revocations + ?Sized> Revocations for &T {
    fn least_version(&self, principal: &str) -> u32 {
        (**self).least_version(principal)
    }
    fn lease_revoked(&self, principal: &str, lease_id: &[u8; LEASE_ID_LEN]) -> bool {
        (**self).lease_revoked(principal, lease_id)
    }
    fn token_revoked(&self, principal: &str, token_id: &[u8; ID_LEN]) -> bool {
        (**self).token_revoked(principal, token_id)
    }
    fn key_revoked(&self, principal: &str, revocation_id: &[u8; ID_LEN]) -> bool {
        (**self).key_revoked(principal, revocation_id)
    }
}

/// Nothing is revoked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRevocations;

impl Revocations for NoRevocations {
    fn least_version(&self, _: &str) -> u32 {
        0
    }
    fn lease_revoked(&self, _: &str, _: &[u8; LEASE_ID_LEN]) -> bool {
        false
    }
    fn token_revoked(&self, _: &str, _: &[u8; ID_LEN]) -> bool {
        false
    }
    fn key_revoked(&self, _: &str, _: &[u8; ID_LEN]) -> bool {
        false
    }
}
