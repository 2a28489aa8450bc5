//! Where records lie. Every prefix ends in `/`, and no name can leave the place under it.

use super::Hex;

/// The [`ClusterRecord`](super::ClusterRecord).
pub const CLUSTER: &str = "meta/cluster";
/// The [`EpochsRecord`](super::EpochsRecord).
pub const EPOCHS_LIVE: &str = "meta/epochs";
/// The [`CasRecord`](super::CasRecord).
pub const CAS: &str = "meta/cas";
/// The [`FeedRecord`](super::FeedRecord).
pub const FEED: &str = "meta/feed";
/// The [`GrantsRecord`](super::GrantsRecord). Not below `meta/`, which authorities mirror for agents.
pub const GRANTS_CHANGED: &str = "grants";
/// Prefix of [`authority`].
pub const AUTHORITIES: &str = "authority/";
/// Prefix of [`contact`].
pub const CONTACTS: &str = "contact/";
/// The id of the authority that leads. Ends with its session.
pub const LEADER: &str = "leader";
/// Prefix of [`session`].
pub const SESSIONS: &str = "session/";
/// Prefix of [`epoch`].
pub const EPOCHS: &str = "epoch/";
/// Prefix of [`root`].
pub const ROOTS: &str = "root/";
/// Prefix of [`service`].
pub const SERVICES: &str = "service/";
/// Prefix of [`user`].
pub const USERS: &str = "user/";
/// Prefix of [`join_token`].
pub const JOIN_TOKENS: &str = "join/";
/// Prefix of [`leases`].
pub const LEASES: &str = "lease/";
/// Prefix of [`revoked`].
pub const REVOKED: &str = "revoked/";
/// Prefix of [`own_revoked`].
pub const OWN_REVOKED: &str = "own-revoked/";
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
/// Prefix of [`group`].
pub const GROUPS: &str = "group/";
/// Prefix of [`user_groups`].
pub const USER_GROUPS: &str = "user-groups/";

/// Prefix of [`used`].
pub const USED: &str = "used/";
/// The [`SweptRecord`](super::SweptRecord).
pub const SWEPT_USED: &str = "swept/used";

/// An [`EpochRecord`](super::EpochRecord): ten digits, so that the order of keys is that of numbers.
pub fn epoch(number: u32) -> String {
    format!("{EPOCHS}{number:010}")
}

/// The sealed root key of an epoch.
pub fn root(number: u32) -> String {
    format!("{ROOTS}{number:010}")
}

/// The CA with this number, its key sealed.
pub fn ca(number: u32) -> String {
    format!("ca/{number}")
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

/// A [`ContactRecord`](super::ContactRecord).
pub fn contact(agent: &str) -> String {
    format!("{CONTACTS}{agent}")
}

/// The id of an authority that is alive. Ends with its session.
pub fn session(authority: &str) -> String {
    format!("{SESSIONS}{authority}")
}

/// An [`AuthorityRecord`](super::AuthorityRecord).
pub fn authority(id: &str) -> String {
    format!("{AUTHORITIES}{id}")
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

/// A [`GrantRecord`](super::GrantRecord). A user's name may hold `/` but never `//`, so no two pairs meet. The `*` of a pattern comes first, so
/// that a principal's patterns lie together.
pub fn grant(principal: &str, service: &str) -> String {
    match service.strip_suffix('*') {
        Some(prefix) => format!("{}{prefix}", patterns_of(principal)),
        None => format!("{}{service}", grants_of(principal)),
    }
}

/// Prefix of all grants of one principal or group, and of no other's.
pub fn grants_of(principal: &str) -> String {
    format!("{GRANTS}{principal}//")
}

/// Prefix of those of them that are for patterns.
pub fn patterns_of(principal: &str) -> String {
    format!("{}*", grants_of(principal))
}

/// A [`GroupRecord`](super::GroupRecord).
pub fn group(name: &str) -> String {
    format!("{GROUPS}{name}")
}

/// A [`UserGroupsRecord`](super::UserGroupsRecord).
pub fn user_groups(user: &str) -> String {
    format!("{USER_GROUPS}{user}")
}

/// A [`LeasesRecord`](super::LeasesRecord): by when it was issued, Unix milliseconds, and the id of its first lease. The order of the keys is that of
/// the times.
pub fn leases(principal: &str, issued_ms: u64, first: &Hex<8>) -> String {
    format!("{}{issued_ms:020}-{first}", leases_of(principal))
}

/// Prefix of all leases of one principal, and of no other's.
pub fn leases_of(principal: &str) -> String {
    format!("{LEASES}{principal}//")
}

/// A [`RevokedRecord`](super::RevokedRecord). The order of the keys is that of the numbers.
pub fn revoked(changed: u64) -> String {
    format!("{REVOKED}{changed:020}")
}

/// An [`OwnRevokedRecord`](super::OwnRevokedRecord).
pub fn own_revoked(principal: &str) -> String {
    format!("{OWN_REVOKED}{principal}")
}

/// A use of a single-use token, by when the token ends: the order of the keys is that of the ends. Its value is the attempt that spent it.
pub fn used(not_after: u64, service: &str, mark: &Hex<32>) -> String {
    format!("{USED}{not_after:020}/{service}/{mark}")
}

/// When the token ends whose use is at this key.
pub fn used_until(key: &str) -> Option<u64> {
    key.strip_prefix(USED)?.split('/').next()?.parse().ok()
}
