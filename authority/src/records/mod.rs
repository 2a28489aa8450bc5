//! What the store holds, one type per kind of record, and the keys that they lie under.
//!
//! Records are JSON, so that a person can read a backup, and none of them holds a secret: API keys and join tokens are kept as
//! SHA-256, and what has to be kept (root keys, the CA's key) is sealed and lies under keys of its own. Times are Unix seconds.
//! Names are never forgotten: a record of a name that is out of use stays, with its state saying so.

mod access;
mod agent;
mod cas;
mod cluster;
mod contact;
mod hex;
mod join;
pub mod key;
mod lease;
mod names;
mod operator;
mod revoked;
mod schedule;
mod used;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use access::{ApiKeyRecord, GrantRecord, GrantsRecord};
pub use agent::{AgentRecord, DeviceKeys, DeviceState};
pub use cas::{CaRecord, CasRecord, Der};
pub use cluster::{AuthorityRecord, ClusterRecord};
pub use contact::{ContactRecord, granularity};
pub use hex::Hex;
pub use join::{JoinTokenRecord, JoinUse, Subject};
pub use lease::{LeaseGrant, Leased, LeasesRecord};
pub use names::{
    GroupRecord, LeastVersionRecord, MembershipRecord, NameState, ServiceRecord, UserGroupsRecord,
    UserRecord,
};
pub use operator::{OperatorDevice, OperatorRecord, OperatorState, Role};
pub use revoked::{OwnRevokedRecord, RevocableIdRecord, RevokedEntry, RevokedRecord};
pub use schedule::{
    ActiveRecord, DrainingRecord, EpochRecord, EpochsRecord, FeedRecord, LineRecord, PreparedRecord,
};
pub use used::SweptRecord;

/// The layout of the store that this version reads and writes: [`ClusterRecord::format`].
pub const FORMAT: u32 = 2;

/// A record, and how it is written.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is, in the words of an error message.
    const KIND: &'static str;

    /// The value to store.
    fn encode(&self) -> Vec<u8> {
        // Only a map whose keys are no strings, or a type that says so, fails to become JSON: no record is either.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the value that is stored at `key`.
    ///
    /// # Errors
    /// The value is not one of this kind: the store is damaged, or newer than this program.
    fn decode(key: &str, value: &[u8]) -> Result<Self, RecordError> {
        serde_json::from_slice(value).map_err(|source| RecordError {
            kind: Self::KIND,
            key: key.to_owned(),
            source,
        })
    }
}

/// A stored value that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {kind} record at `{key}` in the store cannot be read: restore a backup, or run the newer version that wrote it"
)]
pub struct RecordError {
    kind: &'static str,
    key: String,
    #[source]
    source: serde_json::Error,
}

macro_rules! records {
    ($($record:ty: $kind:literal),* $(,)?) => { $(impl Record for $record { const KIND: &'static str = $kind; })* };
}

records! {
    CasRecord: "CA",
    ClusterRecord: "cluster",
    AuthorityRecord: "authority",
    ContactRecord: "contact",
    EpochRecord: "epoch",
    EpochsRecord: "epochs",
    FeedRecord: "feed",
    ServiceRecord: "service",
    UserRecord: "user",
    JoinTokenRecord: "join token",
    AgentRecord: "agent",
    OperatorRecord: "operator",
    ApiKeyRecord: "API key",
    GrantRecord: "grant",
    GrantsRecord: "grants",
    GroupRecord: "group",
    UserGroupsRecord: "user's groups",
    LeastVersionRecord: "least version",
    LeasesRecord: "leases",
    RevokedRecord: "revoked ids",
    OwnRevokedRecord: "own revoked ids",
    SweptRecord: "swept uses",
    crate::audit::Position: "audit mark",
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
            service_registration: 2,
            caveats: vec![vec![0, 255], vec![]],
            max_lease_seconds: Some(60),
            created_at: 7,
        };
        assert_eq!(GrantRecord::decode("", &grant.encode()).unwrap(), grant);
        let token = JoinTokenRecord {
            id: Hex([1; 8]),
            subject: Subject::Operator("eve".into()),
            registration: 0,
            secret_sha256: Hex([2; 32]),
            created_at: 1,
            expires_at: 2,
            used_by: None,
            reused_at: None,
        };
        assert_eq!(JoinTokenRecord::decode("", &token.encode()).unwrap(), token);
        let revoked = RevokedRecord {
            changed: 9,
            entries: [
                RevocableIdRecord::Lease(Hex([1; 8])),
                RevocableIdRecord::Token(Hex([2; 16])),
                RevocableIdRecord::HandedOut(Hex([3; 16])),
            ]
            .map(|id| RevokedEntry {
                principal: "user/alice".into(),
                id,
                ends_at: 8,
            })
            .into(),
        };
        assert_eq!(
            RevokedRecord::decode("", &revoked.encode()).unwrap(),
            revoked
        );
        let error = GrantRecord::decode("grant/user/a//b", b"{}").unwrap_err();
        assert!(error.to_string().contains("`grant/user/a//b`"), "{error}");
    }

    #[test]
    fn what_lies_under_nested_names_does_not_meet() {
        assert!(!key::grant("user/a/b", "c").starts_with(&key::grants_of("user/a")));
        assert!(key::grant("user/a", "c").starts_with(&key::grants_of("user/a")));
        assert!(key::grant("user/a", "c*").starts_with(&key::patterns_of("user/a")));
        assert!(!key::grant("user/a", "c").starts_with(&key::patterns_of("user/a")));
        let lease = |principal| key::leases(principal, 1, &Hex([1; 8]));
        assert!(!lease("user/a/b").starts_with(&key::leases_of("user/a")));
        assert!(lease("user/a").starts_with(&key::leases_of("user/a")));
    }

    #[test]
    fn places_sort_by_number() {
        assert!(key::revoked(9) < key::revoked(10));
        let used = |not_after| key::used(not_after, "photos", &Hex([1; 32]));
        assert!(used(9) < used(10) && used(10) < used(u64::MAX));
        assert_eq!(key::used_until(&used(10)), Some(10));
        assert_eq!(key::used_until(key::SWEPT_USED), None);
        assert!(key::revoked(10) < key::revoked(u64::MAX));
        assert!(key::epoch(9) < key::epoch(10));
        assert!(key::epoch(10) < key::epoch(u32::MAX));
    }
}
