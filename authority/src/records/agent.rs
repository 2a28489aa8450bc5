use serde::{Deserialize, Serialize};

use super::{Hex, NameState, ServiceRecord};

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
    /// Number of the CA that signed it.
    pub ca: u32,
    /// When it enrolled.
    pub enrolled_at: u64,
    /// [`ServiceRecord::registration`](super::ServiceRecord::registration) of the service that it enrolled for.
    #[serde(default)]
    pub registration: u32,
}

impl AgentRecord {
    /// Whether it has not been thrown out.
    pub fn has_access(&self) -> bool {
        self.state == DeviceState::Active
    }

    /// Whether it enrolled for this holder of the service's name, and that is in use.
    pub fn is_of(&self, service: &ServiceRecord) -> bool {
        self.service == service.name
            && self.registration == service.registration
            && service.state == NameState::Active
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
