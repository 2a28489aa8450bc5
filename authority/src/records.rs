//! What the store holds, one type per kind of record, and the keys that they lie under.
//!
//! Records are JSON, so that a person can read a backup, and none of them holds a secret: API keys and join tokens are kept as
//! SHA-256, and what has to be kept (root keys, the CA's key) is sealed and lies under keys of its own. Times are Unix seconds.
//! Names are never forgotten: a record of a name that is out of use stays, with its state saying so.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The layout of the store that this version reads and writes: [`ClusterRecord::format`].
pub const FORMAT: u32 = 1;

/// A record, and how it is written.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is, in the words of an error message.
    const KIND: &'static str;

    /// The value to store.
    fn encode(&self) -> Vec<u8> {
        // Only a map whose keys are no strings, or a type that says so, fails to become JSON: no record is either.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// The value is not one of this kind: the store is damaged, or newer than this program.
    fn decode(value: &[u8]) -> Result<Self, RecordError> {
        serde_json::from_slice(value).map_err(|source| RecordError {
            kind: Self::KIND,
            source,
        })
    }
}

/// A stored value that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store holds a {kind} record that cannot be read; it is damaged, or was written by a newer version"
)]
pub struct RecordError {
    kind: &'static str,
    #[source]
    source: serde_json::Error,
}

/// `meta/cluster`: what this cluster is. Written once, by `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// Random, 16 bytes: tells clusters apart.
    pub cluster_id: Hex<16>,
    /// The trust domain of SPIFFE IDs.
    pub trust_domain: String,
    /// Counts restores; only goes up.
    pub incarnation: u64,
    /// [`FORMAT`] of the version that made the store.
    pub format: u32,
    /// When `init` made it.
    pub created_at: u64,
}

/// `epoch/NNNNNNNNNN`: one root key's life. The key itself is sealed under [`key::root`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number, from 1.
    pub number: u32,
    /// Where it is.
    pub state: EpochState,
    /// When it was made.
    pub created_at: u64,
    /// When it became active; `None` before that.
    pub activated_at: Option<u64>,
    /// When its last lease ends; `None` until it is draining.
    pub not_after: Option<u64>,
}

/// Where an epoch is in its life (DESIGN section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpochState {
    /// Agents get the key; nobody signs with it.
    Prepared,
    /// User keys are issued from it.
    Active,
    /// Checked, no longer issued.
    Draining,
    /// Its root key is gone.
    Retired,
}

impl EpochState {
    /// Whether agents hold its key.
    pub fn is_live(self) -> bool {
        self != Self::Retired
    }
}

/// `service/NAME`: a verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The name.
    pub name: String,
    /// Number of its keys inside each epoch.
    pub generation: u32,
    /// Number of its keys as a principal: those that it signs with as a client.
    pub version: u32,
    /// Whether it takes part.
    pub state: NameState,
    /// When the name was first registered.
    pub created_at: u64,
}

/// `user/NAME`: a person or script that calls services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// The name, without `user/`.
    pub name: String,
    /// Least version of their keys that agents accept, and the version of keys that are issued.
    pub version: u32,
    /// Counts how often the name was given out. API keys and grants made for an earlier holder of the name are void.
    pub registration: u32,
    /// Whether they get keys.
    pub state: NameState,
    /// When the name was last given out.
    pub created_at: u64,
}

/// Whether a name is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameState {
    /// In use.
    Active,
    /// Out of use; kept so that it comes back with a higher number.
    Disabled,
}

/// `join/ID`: a single-use invitation for an agent or an operator's device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenRecord {
    /// Names it; public.
    pub id: Hex<8>,
    /// Who its user becomes.
    pub subject: Subject,
    /// SHA-256 of its secret.
    pub secret_sha256: Hex<32>,
    /// When it was made.
    pub created_at: u64,
    /// When it ends.
    pub expires_at: u64,
    /// Who used it.
    pub used_by: Option<JoinUse>,
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
    /// The newest hand-out of keys that the audit log has: `incarnation/epoch.generation` for each key.
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

/// `api-key/ID`: what a user proves with who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// Names it; public.
    pub id: Hex<8>,
    /// The user's name, without `user/`.
    pub user: String,
    /// [`UserRecord::registration`] of the user that it was made for.
    pub registration: u32,
    /// SHA-256 of its secret.
    pub secret_sha256: Hex<32>,
    /// When it was made.
    pub created_at: u64,
    /// When it ends; `None` for never.
    pub expires_at: Option<u64>,
    /// When it was revoked.
    pub revoked_at: Option<u64>,
}

/// `grant/PRINCIPAL//SERVICE`: a principal may get keys for a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// `user/NAME` or `service/NAME`.
    pub principal: String,
    /// [`UserRecord::registration`] of the user that it was made for; 0 for a service.
    pub registration: u32,
    /// The service.
    pub service: String,
    /// Each one a serialized Caveat, chained into every key issued under the grant.
    #[serde(with = "base64_list")]
    pub caveats: Vec<Vec<u8>>,
    /// The greatest lease in seconds; `None` for the cluster's.
    pub max_lease_seconds: Option<u64>,
    /// When it was made.
    pub created_at: u64,
}

/// `least-version/PRINCIPAL`: keys of a principal were revoked. One for each that agents have to hear of, so that they are
/// found without reading every user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeastVersionRecord {
    /// `user/NAME` or `service/NAME`.
    pub principal: String,
    /// The least version that agents accept.
    pub version: u32,
    /// When it was last raised.
    pub raised_at: u64,
}

macro_rules! records {
    ($($record:ty: $kind:literal),* $(,)?) => { $(impl Record for $record { const KIND: &'static str = $kind; })* };
}

records! {
    ClusterRecord: "cluster",
    EpochRecord: "epoch",
    ServiceRecord: "service",
    UserRecord: "user",
    JoinTokenRecord: "join token",
    AgentRecord: "agent",
    OperatorRecord: "operator",
    ApiKeyRecord: "API key",
    GrantRecord: "grant",
    LeastVersionRecord: "least version",
}

/// Where records lie. Every prefix ends in `/`, and no name can leave the place under it.
pub mod key {
    use super::Hex;

    /// The [`ClusterRecord`](super::ClusterRecord).
    pub const CLUSTER: &str = "meta/cluster";
    /// Prefix of [`epoch`].
    pub const EPOCHS: &str = "epoch/";
    /// Prefix of [`service`].
    pub const SERVICES: &str = "service/";
    /// Prefix of [`user`].
    pub const USERS: &str = "user/";
    /// Prefix of [`join_token`].
    pub const JOIN_TOKENS: &str = "join/";
    /// Prefix of [`agent`].
    pub const AGENTS: &str = "agent/";
    /// Prefix of [`operator`].
    pub const OPERATORS: &str = "operator/";
    /// Prefix of [`api_key`].
    pub const API_KEYS: &str = "api-key/";
    /// Prefix of [`least_version`].
    pub const LEAST_VERSIONS: &str = "least-version/";
    /// Prefix of [`grant`].
    pub const GRANTS: &str = "grant/";

    /// An [`EpochRecord`](super::EpochRecord): ten digits, so that the order of keys is that of numbers.
    pub fn epoch(number: u32) -> String {
        format!("{EPOCHS}{number:010}")
    }

    /// The sealed root key of an epoch.
    pub fn root(number: u32) -> String {
        format!("root/{number:010}")
    }

    /// A [`ServiceRecord`](super::ServiceRecord).
    pub fn service(name: &str) -> String {
        format!("{SERVICES}{name}")
    }

    /// A [`UserRecord`](super::UserRecord).
    pub fn user(name: &str) -> String {
        format!("{USERS}{name}")
    }

    /// A [`JoinTokenRecord`](super::JoinTokenRecord).
    pub fn join_token(id: &Hex<8>) -> String {
        format!("{JOIN_TOKENS}{id}")
    }

    /// An [`AgentRecord`](super::AgentRecord).
    pub fn agent(id: &str) -> String {
        format!("{AGENTS}{id}")
    }

    /// An [`OperatorRecord`](super::OperatorRecord).
    pub fn operator(name: &str) -> String {
        format!("{OPERATORS}{name}")
    }

    /// An [`ApiKeyRecord`](super::ApiKeyRecord).
    pub fn api_key(id: &Hex<8>) -> String {
        format!("{API_KEYS}{id}")
    }

    /// A [`LeastVersionRecord`](super::LeastVersionRecord).
    pub fn least_version(principal: &str) -> String {
        format!("{LEAST_VERSIONS}{principal}")
    }

    /// A [`GrantRecord`](super::GrantRecord). A user's name may hold `/` but never `//`, so no two pairs meet.
    pub fn grant(principal: &str, service: &str) -> String {
        format!("{}{service}", grants_of(principal))
    }

    /// Prefix of all grants of one principal, and of no other's.
    pub fn grants_of(principal: &str) -> String {
        format!("{GRANTS}{principal}//")
    }
}

/// Bytes of a fixed length, in JSON and on the screen as lower-case hex. Not for secrets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> std::fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> std::fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> std::str::FromStr for Hex<N> {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let grant = GrantRecord {
            principal: "user/alice".into(),
            registration: 1,
            service: "photos".into(),
            caveats: vec![vec![0, 255], vec![]],
            max_lease_seconds: Some(60),
            created_at: 7,
        };
        assert_eq!(GrantRecord::decode(&grant.encode()).unwrap(), grant);
        let token = JoinTokenRecord {
            id: Hex([1; 8]),
            subject: Subject::Operator("eve".into()),
            secret_sha256: Hex([2; 32]),
            created_at: 1,
            expires_at: 2,
            used_by: None,
        };
        assert_eq!(JoinTokenRecord::decode(&token.encode()).unwrap(), token);
        assert!(GrantRecord::decode(b"{}").is_err());
    }

    #[test]
    fn grants_of_nested_names_do_not_meet() {
        assert!(!key::grant("user/a/b", "c").starts_with(&key::grants_of("user/a")));
        assert!(key::grant("user/a", "c").starts_with(&key::grants_of("user/a")));
    }

    #[test]
    fn an_epochs_place_sorts_by_number() {
        assert!(key::epoch(9) < key::epoch(10));
        assert!(key::epoch(10) < key::epoch(u32::MAX));
    }
}
