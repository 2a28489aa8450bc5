use serde::{Deserialize, Serialize};

use super::{DeviceKeys, Hex};

/// `operator/NAME`: a person who runs the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRecord {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Where they are between being invited and being revoked.
    pub state: OperatorState,
    /// When they were first invited.
    pub created_at: u64,
    /// The device that holds their key; `None` until they logged in.
    pub device: Option<OperatorDevice>,
    /// The one join token that they may log in with; `None` once it was used.
    #[serde(default)]
    pub invitation: Option<Hex<8>>,
}

/// What holds an operator's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorDevice {
    /// Its stable id, lower-case hex.
    pub id: String,
    /// The keys that it may come with.
    pub keys: DeviceKeys,
    /// When the newest certificate ends.
    pub certificate_not_after: u64,
    /// Number of the CA that signed it.
    pub ca: u32,
}

/// Where an operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperatorState {
    /// Has a join token.
    Invited,
    /// Has a certificate.
    Active,
    /// Has no access any more.
    Revoked,
}

/// What an operator may do. Each role may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads.
    Auditor,
    /// Also changes services, users and grants.
    Operator,
    /// Also changes operators.
    Admin,
}

impl Role {
    /// `auditor`, `operator` or `admin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Auditor, Self::Operator, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or("a role is `admin`, `operator` or `auditor`")
    }
}
