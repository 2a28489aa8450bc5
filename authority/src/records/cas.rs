use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::LineRecord;

/// `meta/cas`: the cluster's certificate authorities (CAs) that somebody trusts. Each change of it is one compare-and-swap, and every
/// certificate rests on it. Their keys are sealed under [`key::ca`](super::key::ca).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CasRecord {
    /// Where each is in its life. The prepared one is in the trust bundle and signs nothing yet, the active one signs, the draining one
    /// signs no more and is in the bundle for as long as somebody needs it.
    pub line: LineRecord,
    /// The cluster's incarnation that the prepared one's position is of.
    pub incarnation: u64,
    /// One for each number that is live, oldest first.
    pub certificates: Vec<CaRecord>,
}

/// The public half of a CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRecord {
    /// Its number.
    pub number: u32,
    /// Its own certificate.
    pub certificate: Der,
    /// When that begins.
    pub not_before: u64,
    /// When that ends.
    pub not_after: u64,
    /// The certificate that the CA before it gave it; `None` for the first one.
    #[serde(default)]
    pub cross: Option<Der>,
}

/// DER, in JSON as base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Der(pub Vec<u8>);

impl Serialize for Der {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Der {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}
