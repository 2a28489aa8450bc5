//! The digest of a body, for tokens that are bound to it.

/// SHA-256 of the whole body: an extension of a request. On the signing side it makes a bound token cover the body; on the
/// verifying side it is the fact that such a token needs. Whoever sets it has read the body and vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySha256(pub [u8; 32]);
