use serde::{Deserialize, Serialize};

use super::{Hex, ServiceRecord};

/// `api-key/ID`: what a user proves with who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// Names it; public.
    pub id: Hex<8>,
    /// The user's name, without `user/`.
    pub user: String,
    /// [`UserRecord::registration`](super::UserRecord::registration) of the user that it was made for.
    pub registration: u32,
    /// SHA-256 of its secret.
    pub secret_sha256: Hex<32>,
    /// When it was made.
    pub created_at: u64,
    /// When it ends; `None` for never.
    pub expires_at: Option<u64>,
    /// When it was revoked.
    pub revoked_at: Option<u64>,
    /// Each one a serialized Caveat, chained into every key that is fetched with it, behind those of the grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "base64_list")]
    pub caveats: Vec<Vec<u8>>,
    /// The API key that its user made it with: it has that one's caveats before its own, ends no later, and is revoked with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Hex<8>>,
    /// Those that were made with it, and were not forgotten when the last one was made. Whoever makes one changes this record, so that no end
    /// of it misses one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Hex<8>>,
}

/// `grant/PRINCIPAL//SERVICE`, or `grant/PRINCIPAL//*PREFIX`: somebody may get keys for a service, or for each that has that prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// `user/NAME`, `service/NAME` or `group/NAME`.
    pub principal: String,
    /// The registration of that when it was made: of its [`UserRecord`](super::UserRecord), [`ServiceRecord`] or
    /// [`GroupRecord`](super::GroupRecord).
    pub registration: u32,
    /// The service, or a prefix and `*`.
    pub service: String,
    /// [`ServiceRecord::registration`] of that: whoever comes under its name later is another one. 0 for a pattern, which names services
    /// and not who they are.
    #[serde(default)]
    pub service_registration: u32,
    /// Each one a serialized Caveat, chained into every key issued under the grant.
    #[serde(with = "base64_list")]
    pub caveats: Vec<Vec<u8>>,
    /// The greatest lease in seconds; `None` for the cluster's.
    pub max_lease_seconds: Option<u64>,
    /// When it was made.
    pub created_at: u64,
}

/// `grants`: written by each change that takes something away from somebody who may get keys. Keys are issued only if it is as it was
/// before their grants were read: so whoever changed something finds every lease that was issued before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantsRecord {
    /// When something was last taken away. What counts is the entry's revision.
    pub changed_at: u64,
}

impl GrantRecord {
    /// The prefix of a pattern; `None` for one service.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.service.strip_suffix('*')
    }

    /// Whether it is a user's own.
    pub(crate) fn is_users(&self) -> bool {
        self.principal.starts_with("user/")
    }

    /// Whether it names this service.
    pub(crate) fn names(&self, service: &ServiceRecord) -> bool {
        match self.prefix() {
            Some(prefix) => service.name.starts_with(prefix),
            None => {
                self.service == service.name && self.service_registration == service.registration
            }
        }
    }

    /// Whether both are for the same service or pattern.
    pub(crate) fn is_for_what(&self, other: &Self) -> bool {
        self.service == other.service && self.service_registration == other.service_registration
    }

    /// Whether keys are the same under either.
    pub(crate) fn has_conditions_of(&self, other: &Self) -> bool {
        self.caveats == other.caveats && self.max_lease_seconds == other.max_lease_seconds
    }
}

mod base64_list {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        list: &[Vec<u8>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|bytes| STANDARD.encode(bytes)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .into_iter()
            .map(|text| STANDARD.decode(text).map_err(D::Error::custom))
            .collect()
    }
}
