//! What is wrong with the form of a text or a message (SPEC section 5, step 1).

use crate::name::NameError;
use crate::wire::WireError;

/// Why a token, discharge or key is `malformed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// It does not begin with the prefix of its kind.
    #[error("it does not begin with `{0}`")]
    Prefix(&'static str),
    /// It is not base64url without padding.
    #[error("it is not base64url without padding")]
    Base64,
    /// It has more than 8,192 bytes.
    #[error("it is longer than 8,192 bytes")]
    TooLong,
    /// More than four discharges.
    #[error("more than 4 discharges")]
    TooManyDischarges,
    /// It is not the one encoding of its message.
    #[error("its encoding is not canonical: {0}")]
    Wire(#[from] WireError),
    /// More than 16 caveats in a list.
    #[error("more than 16 caveats")]
    TooManyCaveats,
    /// A caveat of more than 1,024 bytes.
    #[error("a caveat is longer than 1,024 bytes")]
    CaveatTooLong,
    /// The epoch is 0.
    #[error("the epoch is 0")]
    EpochZero,
    /// The service is not a service's name.
    #[error("service: {0}")]
    Service(NameError),
    /// The principal is not a principal's name.
    #[error("principal: {0}")]
    Principal(NameError),
    /// The lease id has not 8 bytes.
    #[error("the lease id has {0} bytes; it has to have 8")]
    LeaseId(usize),
    /// The tag, or the key, has not 32 bytes.
    #[error("the tag or key has {0} bytes; it has to have 32")]
    Secret(usize),
}
