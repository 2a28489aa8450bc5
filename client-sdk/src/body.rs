//! The digest of a body, for tokens that are bound to it.

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sha2::{Digest as _, Sha256};
use tower::BoxError;

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

/// Why a body is not held as a whole.
pub(crate) enum NotWhole {
    /// It is longer than the limit; no more than that was ever held.
    TooLong,
    /// It broke off.
    Broken(BoxError),
}

/// All of a body, of at most `limit` bytes. Its trailers are dropped.
pub(crate) async fn whole<B>(body: B, limit: usize) -> Result<Bytes, NotWhole>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(NotWhole::TooLong);
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(NotWhole::TooLong),
        Err(error) => Err(NotWhole::Broken(error)),
    }
}
