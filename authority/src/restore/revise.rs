//! What becomes of each entry of a backup in the new incarnation.

use cattery_core::epoch::Line;

use super::RestoreError;
use super::contacts::Contacts;
use super::since::{Raised, Seen, Taken};
use crate::backup::Item;
use crate::records::{
    AgentRecord, ApiKeyRecord, CasRecord, ClusterRecord, DeviceState, EpochRecord, GrantRecord,
    GroupRecord, MembershipRecord, NameState, OperatorRecord, OperatorState, Record, ServiceRecord,
    UserGroupsRecord, UserRecord, key,
};

/// Where the feed of an incarnation begins: all that agents hear of is as of there.
pub(super) const FIRST: u64 = 1;

/// Goes over all entries, one by one.
pub(super) struct Revising {
    /// What is left to be taken away.
    taken: Taken,
    seen: Seen,
    now: u64,
    /// Agents that may be alive.
    pub(super) contacts: Contacts,
    /// What was taken away again.
    pub(super) repeated: Vec<Repeated>,
    /// It comes last: while it is missing there is no cluster.
    pub(super) cluster: Option<ClusterRecord>,
    /// Numbers of CAs whose keys have to go.
    pub(super) retired_cas: Vec<u32>,
    /// Whether an admin is left who can log in.
    pub(super) has_admin: bool,
}

/// Something that was taken away again: how the audit log says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// As in the log: `user_revoked` and so on.
    pub action: &'static str,
    /// From whom.
    pub subject: String,
    /// What, with the name of the field that says it.
    pub what: Option<(&'static str, String)>,
}

impl Revising {
    pub(super) fn new(taken: Taken, seen: Seen, now: u64, contacts: Contacts) -> Self {
        Self {
            taken,
            seen,
            now,
            contacts,
            repeated: Vec::new(),
            cluster: None,
            retired_cas: Vec::new(),
            has_admin: false,
        }
    }

    /// The entry as it is to be, or nothing.
    pub(super) fn revise(&mut self, item: Item) -> Result<Option<Item>, RestoreError> {
        let Item { key, value } = &item;
        if key == key::CLUSTER {
            self.cluster = Some(Record::decode(key, value)?);
            return Ok(None);
        }
        if key == key::EPOCHS_LIVE {
            return Ok(None);
        }
        if key == key::CAS {
            let cas = self.cas(Record::decode(key, value)?);
            return Ok(Some(Item {
                value: cas.encode(),
                key: item.key,
            }));
        }
        if self.taken.grants.remove(key) {
            self.grant_removed(Record::decode(key, value)?);
            return Ok(None);
        }
        let revised = match key.split_once('/').map(|(kind, _)| kind) {
            Some("epoch") => self.epoch(Record::decode(key, value)?).encode(),
            Some("service") => self.service(Record::decode(key, value)?)?.encode(),
            Some("user") => self.user(Record::decode(key, value)?).encode(),
            Some("group") => self.group(Record::decode(key, value)?).encode(),
            Some("user-groups") => self.user_groups(Record::decode(key, value)?).encode(),
            Some("api-key") => self.api_key(Record::decode(key, value)?).encode(),
            Some("operator") => self.operator(Record::decode(key, value)?).encode(),
            Some("agent") => self.agent(Record::decode(key, value)?).encode(),
            Some("contact") => match self.contacts.revise(Record::decode(key, value)?) {
                Some(contact) => contact.encode(),
                None => return Ok(None),
            },
            _ => return Ok(Some(item)),
        };
        Ok(Some(Item {
            value: revised,
            key: item.key,
        }))
    }

    /// How much of what was taken away concerns nothing that the backup has.
    pub(super) fn unknown(&self) -> usize {
        let taken = &self.taken;
        taken.users.len()
            + taken.services.len()
            + taken.api_keys.len()
            + taken.grants.len()
            + taken.groups.len()
            + taken.members.len()
            + taken.operators.len()
            + taken.agents.len()
            + taken.cas.len()
    }

    /// No epoch of before is ever good again.
    fn epoch(&self, mut epoch: EpochRecord) -> EpochRecord {
        epoch.retired_at = epoch.retired_at.or(Some(self.now));
        epoch
    }

    /// Nobody trusts a CA again that was retired, unless there is no other one: then the report says so.
    fn cas(&mut self, mut cas: CasRecord) -> CasRecord {
        let line = &mut cas.line;
        let draining = line.draining.as_ref().map(|draining| draining.number);
        if let Some(number) = draining
            && self.taken.cas.remove(&number)
        {
            line.draining = None;
            self.retired_cas.push(number);
        }
        let active = line.active.number;
        if self.taken.cas.contains(&active)
            && let Some(next) = line.prepared.take()
        {
            self.taken.cas.remove(&active);
            line.active.number = next.number;
            line.active.since = self.now;
            line.draining = None;
            self.retired_cas
                .extend(draining.into_iter().chain([active]));
        }
        self.retired_cas.dedup();
        let retired = self.retired_cas.clone();
        cas.certificates.retain(|ca| !retired.contains(&ca.number));
        for number in retired {
            let what = Some(("number", number.to_string()));
            self.repeat("ca_retired", "cas".to_owned(), what);
        }
        cas
    }

    fn service(&mut self, mut service: ServiceRecord) -> Result<ServiceRecord, RestoreError> {
        let seen = self.seen.generations.get(&service.name);
        let above = service.keys.last.max(seen.copied().unwrap_or(0));
        service.keys = (&Line::restored(above, self.now)?).into();
        service.changed = FIRST;
        if let Some(raised) = self.taken.services.remove(&service.name) {
            service.version = service.version.max(raised.version);
            service.state = NameState::Disabled;
            let subject = format!("service/{}", service.name);
            let version = service.version.to_string();
            self.repeat("service_disabled", subject, Some(("version", version)));
        }
        Ok(service)
    }

    fn user(&mut self, mut user: UserRecord) -> UserRecord {
        if let Some(Raised { version, disabled }) = self.taken.users.remove(&user.name) {
            user.version = user.version.max(version);
            if disabled {
                user.state = NameState::Disabled;
            }
            let action = if disabled {
                "user_disabled"
            } else {
                "user_revoked"
            };
            let version = user.version.to_string();
            self.repeat(
                action,
                format!("user/{}", user.name),
                Some(("version", version)),
            );
        }
        user
    }

    fn api_key(&mut self, mut api_key: ApiKeyRecord) -> ApiKeyRecord {
        let id = api_key.id.to_string();
        if self.taken.api_keys.remove(&id) {
            api_key.revoked_at = api_key.revoked_at.or(Some(self.now));
            let user = format!("user/{}", api_key.user);
            self.repeat("api_key_revoked", user, Some(("api_key", id)));
        }
        api_key
    }

    fn grant_removed(&mut self, grant: GrantRecord) {
        let service = format!("service/{}", grant.service);
        self.repeat(
            "grant_removed",
            service,
            Some(("principal", grant.principal)),
        );
    }

    fn group(&mut self, mut group: GroupRecord) -> GroupRecord {
        if self.taken.groups.remove(&group.name) {
            group.state = NameState::Disabled;
            self.repeat("group_removed", format!("group/{}", group.name), None);
        }
        group
    }

    fn user_groups(&mut self, mut user: UserGroupsRecord) -> UserGroupsRecord {
        let name = user.user.clone();
        let (gone, left) = user.groups.into_iter().partition(|one| {
            self.taken
                .members
                .remove(&(name.clone(), one.group.clone()))
        });
        user.groups = left;
        let gone: Vec<MembershipRecord> = gone;
        for one in gone {
            let member = Some(("member", format!("user/{name}")));
            self.repeat(
                "group_member_removed",
                format!("group/{}", one.group),
                member,
            );
        }
        user
    }

    fn operator(&mut self, mut operator: OperatorRecord) -> OperatorRecord {
        if self.taken.operators.remove(&operator.name) {
            operator.state = OperatorState::Revoked;
            operator.device = None;
            let subject = format!("operator/{}", operator.name);
            self.repeat("operator_revoked", subject, None);
        }
        // Invitations are not restored.
        operator.invitation = None;
        self.has_admin |= operator.is_admin_at(self.now);
        operator
    }

    fn agent(&mut self, mut agent: AgentRecord) -> AgentRecord {
        if self.taken.agents.remove(&agent.id) {
            agent.state = DeviceState::Evicted;
            let service = format!("service/{}", agent.service);
            self.repeat("agent_evicted", service, Some(("agent", agent.id.clone())));
        }
        // It may have renewed since. It is not forgotten before it had the time to come back.
        agent.certificate_not_after = agent.certificate_not_after.max(self.now);
        if agent.has_access() {
            self.contacts.of(&agent);
        }
        agent
    }

    fn repeat(
        &mut self,
        action: &'static str,
        subject: String,
        what: Option<(&'static str, String)>,
    ) {
        self.repeated.push(Repeated {
            action,
            subject,
            what,
        });
    }
}

impl std::fmt::Display for Repeated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.action, self.subject)?;
        match &self.what {
            Some((name, value)) => write!(f, " ({name} {value})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{ActiveRecord, CaRecord, Der, DrainingRecord, LineRecord, PreparedRecord};

    const NOW: u64 = 1_790_000_000;

    fn cas(prepared: Option<u32>, active: u32, draining: Option<u32>) -> CasRecord {
        let live = draining.into_iter().chain([active]).chain(prepared);
        CasRecord {
            certificates: live
                .map(|number| CaRecord {
                    number,
                    certificate: Der(vec![7]),
                    not_before: 1,
                    not_after: 2,
                    cross: None,
                })
                .collect(),
            line: LineRecord {
                last: prepared.unwrap_or(active),
                prepared: prepared.map(|number| PreparedRecord {
                    number,
                    since: 1,
                    position: 9,
                }),
                active: ActiveRecord {
                    number: active,
                    since: 1,
                },
                draining: draining.map(|number| DrainingRecord {
                    number,
                    since: 1,
                    not_after: 2,
                }),
            },
            incarnation: 1,
        }
    }

    /// What is live after a restore, and what is left of what was retired since.
    fn restored(before: CasRecord, retired: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let taken = Taken {
            cas: retired.iter().copied().collect(),
            ..Taken::default()
        };
        let contacts = Contacts::new(std::time::Duration::ZERO, 2, NOW);
        let mut revising = Revising::new(taken, Seen::default(), NOW, contacts);
        let after = revising.cas(before);
        let line = after.line.to_line().unwrap();
        let live: Vec<u32> = line.live().collect();
        let numbers: Vec<u32> = after.certificates.iter().map(|ca| ca.number).collect();
        assert_eq!(live, numbers);
        (live, revising.taken.cas.into_iter().collect())
    }

    #[test]
    fn a_ca_that_was_retired_since_is_trusted_no_more_where_there_is_another_one() {
        assert_eq!(restored(cas(None, 2, Some(1)), &[]), (vec![1, 2], vec![]));
        assert_eq!(
            restored(cas(Some(3), 2, Some(1)), &[1]),
            (vec![2, 3], vec![])
        );
        assert_eq!(restored(cas(Some(2), 1, None), &[1]), (vec![2], vec![]));
        assert_eq!(
            restored(cas(Some(3), 2, Some(1)), &[1, 2]),
            (vec![3], vec![])
        );
        assert_eq!(restored(cas(None, 1, None), &[1]), (vec![1], vec![1]));
    }
}
