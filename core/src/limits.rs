//! The numbers of the protocol, each with the place that fixes it.

/// Greatest size of a decoded SignedToken or UserKey, in bytes (SPEC section 5, step 1). It bounds what a verifier
/// hashes for a stranger.
pub const MAX_MESSAGE: usize = 8_192;
/// Most caveats in each of the two lists of a token, the key's and its own (SPEC section 5, step 1).
pub const MAX_CAVEATS: usize = 16;
/// Greatest size of one encoded caveat, in bytes (SPEC section 5, step 1).
pub const MAX_CAVEAT: usize = 1_024;
/// Most discharges behind one token (SPEC section 4).
pub const MAX_DISCHARGES: usize = 4;
/// Most presentations in the `x-cat-forward` headers of one request: hops that a client signs for, and room.
pub const MAX_FORWARDED: usize = 8;
/// Longest `x-cat-forward`, all lines together, in bytes: the longest presentation there can be has about 55,000.
pub const MAX_FORWARD_HEADER: usize = 65_536;
/// Size of every key, tag and SHA-256 digest, in bytes (SPEC section 2).
pub const KEY_LEN: usize = 32;
/// Size of a lease id, in bytes (SPEC section 1).
pub const LEASE_ID_LEN: usize = 8;
/// Size of a token id, a single-use id and a revocation id, in bytes (SPEC section 3).
pub const ID_LEN: usize = 16;
/// Shortest ticket of a third-party caveat, in bytes (SPEC section 7): too long to guess.
pub const MIN_TICKET: usize = 16;
/// Longest ticket of a third-party caveat, in bytes (SPEC section 7).
pub const MAX_TICKET: usize = 64;
/// Longest service name, in bytes (SPEC section 1); also the longest label of DNS.
pub const MAX_SERVICE: usize = 63;
/// Longest NAME of `user/NAME`, in bytes (SPEC section 1).
pub const MAX_USER: usize = 200;
/// Longest `claims_type`, in bytes (SPEC section 3).
pub const MAX_CLAIMS_TYPE: usize = 200;
/// Difference of clocks that is forgiven, in seconds, unless configured (SPEC section 5).
pub const DEFAULT_LEEWAY: u64 = 30;
/// Greatest lifetime of a token that a verifier accepts, in seconds, unless configured: long enough for one job,
/// short enough that a token that leaks into a log is soon worth nothing.
pub const DEFAULT_MAX_LIFETIME: u64 = 3_600;
