use serde::{Deserialize, Serialize};

use super::Hex;

/// `join/ID`: a single-use invitation for an agent or an operator's device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenRecord {
    /// Names it; public.
    pub id: Hex<8>,
    /// Who its user becomes.
    pub subject: Subject,
    /// [`ServiceRecord::registration`](super::ServiceRecord::registration) of the service that it was made for; 0 for an operator.
    #[serde(default)]
    pub registration: u32,
    /// SHA-256 of its secret.
    pub secret_sha256: Hex<32>,
    /// When it was made.
    pub created_at: u64,
    /// When it ends.
    pub expires_at: u64,
    /// Who used it.
    pub used_by: Option<JoinUse>,
    /// When somebody first came with another key afterwards.
    #[serde(default)]
    pub reused_at: Option<u64>,
}

/// Who used a join token. The same key may come again, since an answer can get lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinUse {
    /// SHA-256 of the CSR's public key (DER of its SubjectPublicKeyInfo).
    pub key_sha256: Hex<32>,
    /// The agent or operator device that came of it.
    pub device_id: String,
}

/// Who a certificate is for: `service/NAME` or `operator/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Subject {
    /// An agent of this service.
    Service(String),
    /// This operator.
    Operator(String),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service/{name}"),
            Self::Operator(name) => write!(f, "operator/{name}"),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl TryFrom<String> for Subject {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('/') {
            Some(("service", name)) => Ok(Self::Service(name.to_owned())),
            Some(("operator", name)) => Ok(Self::Operator(name.to_owned())),
            _ => Err("a subject is service/NAME or operator/NAME"),
        }
    }
}
