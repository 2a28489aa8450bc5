use serde::{Deserialize, Serialize};

use super::Hex;

/// `agent/ID`: an agent that has enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// Its stable id, lower-case hex.
    pub id: String,
    /// Its service.
    pub service: String,
    /// Whether it has access.
    pub state: DeviceState,
    /// The keys that it may come with.
    pub keys: DeviceKeys,
    /// When the newest certificate ends.
    pub certificate_not_after: u64,
    /// When it enrolled.
    pub enrolled_at: u64,
    /// When an authority last heard from it, to about a minute.
    pub last_contact: u64,
    /// The hand-out of keys to the newest certificate that the audit log has: `incarnation/epoch.generation` for each key.
    #[serde(default)]
    pub handed_out: Vec<String>,
}

impl AgentRecord {
    /// Whether it has not been thrown out.
    pub fn has_access(&self) -> bool {
        self.state == DeviceState::Active
    }
}

/// Whether an enrolled device has access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// It has.
    Active,
    /// It was thrown out.
    Evicted,
}

/// The public keys whose certificates are good for a device. Two, since the answer to a renewal can get lost, and
/// the device then comes back with the certificate that it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceKeys {
    /// SHA-256 of the newest certificate's public key (DER of its SubjectPublicKeyInfo).
    pub current: Hex<32>,
    /// The one that asked for the newest.
    pub previous: Option<Hex<32>>,
}

impl DeviceKeys {
    /// Just this one.
    pub fn only(key_sha256: Hex<32>) -> Self {
        Self {
            current: key_sha256,
            previous: None,
        }
    }

    /// Whether the key is one of them.
    pub fn admit(&self, key_sha256: &Hex<32>) -> bool {
        self.current == *key_sha256 || self.previous.as_ref() == Some(key_sha256)
    }

    /// After `asking` was given a certificate for `next`.
    #[must_use]
    pub fn renewed(asking: Hex<32>, next: Hex<32>) -> Self {
        Self {
            current: next,
            previous: (asking != next).then_some(asking),
        }
    }
}
