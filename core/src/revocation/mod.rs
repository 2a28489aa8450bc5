//! Revoked ids: leases, tokens and handed-out keys (SPEC section 5, steps 5 to 7).

mod fingerprint;
mod set;

pub use fingerprint::{Fingerprint, REVOCATION_KEY_LEN, RevocableId, RevocationKey};
pub use set::RevokedIds;
