use serde::{Deserialize, Serialize};

use super::LineRecord;

/// `service/NAME`: a verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The name.
    pub name: String,
    /// Its keys inside each epoch, by generation.
    pub keys: LineRecord,
    /// Counts how often the name was given out. Agents, join tokens and grants made for an earlier one are void.
    pub registration: u32,
    /// Number of its keys as a principal: those that it signs with as a client.
    pub version: u32,
    /// Whether it takes part.
    pub state: NameState,
    /// When the name was last given out.
    pub created_at: u64,
    /// [`FeedRecord::sequence`](super::FeedRecord::sequence) of the last change.
    pub changed: u64,
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

/// `group/NAME`: users who are granted something together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The name, without `group/`.
    pub name: String,
    /// Counts how often the name was given out. Memberships and grants made for an earlier one are void.
    pub registration: u32,
    /// Whether it grants its members anything.
    pub state: NameState,
    /// When the name was last given out.
    pub created_at: u64,
}

/// `user-groups/USER`: the groups that a user is in. One record, so that how many there are is known when one is added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserGroupsRecord {
    /// The user's name, without `user/`.
    pub user: String,
    /// [`UserRecord::registration`] of the user that it was made for.
    pub registration: u32,
    /// By name.
    pub groups: Vec<MembershipRecord>,
}

/// A user is in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipRecord {
    /// The group's name, without `group/`.
    pub group: String,
    /// [`GroupRecord::registration`] of it.
    pub registration: u32,
    /// Since when.
    pub added_at: u64,
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
    /// [`FeedRecord::sequence`](super::FeedRecord::sequence) of that change.
    pub changed: u64,
}
