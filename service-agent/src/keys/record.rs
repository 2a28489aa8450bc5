//! A set of keys on its way into locked memory: from an authority's news, or from the sealed cache.

use cattery_proto::v1::EpochState;
use zeroize::Zeroizing;

use super::revoked::Revoked;
use crate::position::Position;

/// One service key, not yet locked.
pub(crate) struct KeyRecord {
    pub(crate) epoch: u32,
    pub(crate) generation: u32,
    pub(crate) state: EpochState,
    /// For a draining one, when its last lease ends, Unix seconds; otherwise 0.
    pub(crate) not_after: u64,
    pub(crate) key: Zeroizing<[u8; 32]>,
}

/// All that a set is made of.
pub(crate) struct Material {
    pub(crate) position: Position,
    /// All but the revoked ids is as of there: not below `position`.
    pub(crate) as_of: Position,
    pub(crate) keys: Vec<KeyRecord>,
    /// Principals and the least version of theirs that is accepted.
    pub(crate) least_versions: Vec<(String, u32)>,
    pub(crate) revoked: Revoked,
}
