use serde::{Deserialize, Serialize};

/// `swept/used`: up to where uses of single-use tokens are forgotten. No mark of a token that ends by then is taken any more, so that none
/// that was removed comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptRecord {
    /// Tokens that end by then, Unix seconds.
    pub not_after: u64,
}
