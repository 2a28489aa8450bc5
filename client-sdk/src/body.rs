//! The digest of a body, for tokens that are bound to it.

use sha2::{Digest as _, Sha256};

/// SHA-256 of the whole body: an extension of a request. On the signing side it makes a bound token cover the body; on the
/// verifying side it is the fact that such a token needs. Whoever sets it has read the body and vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySha256(pub [u8; 32]);

impl BodySha256 {
    /// Of a body that is in memory as a whole.
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }
}
