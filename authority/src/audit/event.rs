use std::collections::BTreeMap;

use serde::Serialize;

/// Something worth remembering: who did what to whom. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, Unix milliseconds.
    pub time: u64,
    /// Of the request, as in the authority's own log.
    pub request_id: String,
    /// Who: `operator/NAME`, `service/NAME`, `user/NAME`, `authority/ID`, or empty for nobody known.
    pub actor: String,
    /// What.
    pub action: Action,
    /// To whom or what: `service/photos`, `epoch/2`.
    pub subject: String,
    /// The rest, such as lease ids and serial numbers.
    pub fields: BTreeMap<String, String>,
}

/// What was done. In the log as `service_added` and so on; names are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// A cluster was made.
    ClusterCreated,
    /// An authority began to serve.
    AuthorityStarted,
    /// Agents and clients were told where an authority is.
    AuthorityAnnounced,
    /// An authority serves again: its store or its log had failed.
    AuthorityResumed,
    /// An operator took a backup.
    BackupMade,
    /// A cluster was restored from a backup.
    ClusterRestored,
    /// A restore took away again what was taken away after its backup was made. The field `repeats` is the action that it was.
    RevocationRepeated,
    /// An authority goes on with a store that was restored. The subject is `incarnation/N`, which holds from there on.
    IncarnationEntered,
    /// An authority's own certificate was issued.
    AuthorityCertificateIssued,
    /// An operator accepted that a part of the audit log is lost.
    AuditLossAccepted,
    /// Somebody checked the audit log.
    AuditVerified,
    /// An operator was invited.
    OperatorInvited,
    /// An operator logged in for the first time.
    OperatorEnrolled,
    /// An operator's access ended.
    OperatorRevoked,
    /// A service was registered.
    ServiceAdded,
    /// A join token for an agent was made.
    JoinTokenCreated,
    /// Somebody came with a join token that another key had used: one of the two may have stolen it. Once for each token.
    JoinTokenReused,
    /// An agent enrolled.
    AgentEnrolled,
    /// A certificate was renewed.
    CertificateRenewed,
    /// An agent whose certificate had ended proved to have its key, and got a new one.
    CertificateRecovered,
    /// A service's keys were handed to its agent.
    ServiceKeysIssued,
    /// The next key of a cluster (an epoch) or of a service (a generation) was made.
    KeyPrepared,
    /// Keys are issued from it now.
    KeyActivated,
    /// A key that drained ended.
    KeyRetired,
    /// A fresh key took the place of all that were there.
    KeysReplaced,
    /// The next CA was made: it is trusted, and signs nothing yet.
    CaPrepared,
    /// Certificates are signed by the next CA from now on; the key of the one before was destroyed.
    CaActivated,
    /// A CA is trusted no more.
    CaRetired,
    /// The greatest lease of the cluster went up.
    GreatestLeaseRaised,
    /// A service was taken out of use.
    ServiceDisabled,
    /// An agent's access was ended.
    AgentEvicted,
    /// A user was registered.
    UserAdded,
    /// A user was disabled.
    UserDisabled,
    /// The keys that a user held were revoked.
    UserRevoked,
    /// Leases, tokens or handed-out keys were revoked by their ids.
    IdsRevoked,
    /// A part of a long list of ids that are about to be revoked: whether they were, the `ids_revoked` of the same request says.
    IdsListed,
    /// An API key was made.
    ApiKeyCreated,
    /// An API key was revoked.
    ApiKeyRevoked,
    /// A grant was made.
    GrantAdded,
    /// The conditions of a grant were changed.
    GrantChanged,
    /// A grant was removed.
    GrantRemoved,
    /// A group of users was made.
    GroupAdded,
    /// A group ended, and its grants and memberships with it.
    GroupRemoved,
    /// A user was put into a group.
    GroupMemberAdded,
    /// A user was taken out of a group.
    GroupMemberRemoved,
    /// User keys were leased.
    UserKeysIssued,
    /// Somebody was refused: a wrong secret, a role that is not enough.
    AccessDenied,
}

/// What [`Action::IncarnationEntered`] is in the log, and what its subject begins with.
pub(super) const INCARNATION_ENTERED: (&str, &str) = ("incarnation_entered", "incarnation/");

impl Event {
    /// An event without fields.
    #[must_use]
    pub fn new(
        time_ms: u64,
        request_id: impl Into<String>,
        actor: impl Into<String>,
        action: Action,
        subject: impl Into<String>,
    ) -> Self {
        Self {
            time: time_ms,
            request_id: request_id.into(),
            actor: actor.into(),
            action,
            subject: subject.into(),
            fields: BTreeMap::new(),
        }
    }

    /// The event with one field more.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }
}
