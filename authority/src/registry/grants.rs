//! Making, changing and ending grants.

use std::time::Duration;

use cattery_core::{Caveat, Principal, PrincipalKind};

use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::{Action, Event};
use crate::config::show_duration;
use crate::failure::Failure;
use crate::granting::{Grantee, ServicePattern};
use crate::records::{GrantRecord, GrantsRecord, ServiceRecord, UserRecord, key};
use crate::store::{Revision, Transaction};

/// Most patterns that one principal or group has grants for: those of a caller are read together.
const MAX_PATTERNS: usize = 100;
/// Most grants of one group: those of each of a caller's groups are read together.
const MAX_GRANTS_OF_GROUP: usize = 500;

/// Someone who gets keys, as they were read.
pub(crate) enum Client {
    User(Stored<UserRecord>),
    Service(Stored<ServiceRecord>),
}

impl Client {
    /// What tells this holder of the name from an earlier one.
    pub(crate) fn registration(&self) -> u32 {
        match self {
            Self::User(user) => user.record.registration,
            Self::Service(service) => service.record.registration,
        }
    }

    /// The version of keys that they get.
    pub(crate) fn version(&self) -> u32 {
        match self {
            Self::User(user) => user.record.version,
            Self::Service(service) => service.record.version,
        }
    }
}

/// A name in use, as it was read.
struct Named {
    registration: u32,
    key: String,
    revision: Revision,
}

/// What a grant limits.
#[derive(Clone, Default)]
pub(crate) struct Conditions {
    /// Each one encoded; `None` for those that there are.
    pub(crate) caveats: Option<Vec<Vec<u8>>>,
    /// The greatest lease, or the cluster's; `None` for the one that there is.
    pub(crate) max_lease: Option<Option<Duration>>,
}

impl Registry {
    /// Makes a grant, between names that are in use.
    pub(crate) async fn add_grant(
        &self,
        act: &Act,
        grantee: &Grantee,
        services: &ServicePattern,
        conditions: Conditions,
    ) -> Result<GrantRecord, Failure> {
        let holder = self.named(grantee).await?;
        let (principal, service) = (grantee.to_string(), services.to_string());
        let key = key::grant(&principal, &service);
        let before = self.get::<GrantRecord>(&key).await?;
        let mut record = GrantRecord {
            principal,
            registration: holder.registration,
            service,
            service_registration: 0,
            caveats: conditions.caveats.unwrap_or_default(),
            max_lease_seconds: conditions.max_lease.flatten().map(|most| most.as_secs()),
            created_at: act.now(),
        };
        let mut transaction = Transaction::new().unchanged(&holder.key, holder.revision);
        if let ServicePattern::Exact(name) = services {
            let target = self.service(name.as_str()).await?;
            record.service_registration = target.record.registration;
            transaction = transaction.rests_on(&target);
        }
        if before
            .as_ref()
            .is_some_and(|before| before.record.is_of(&record))
        {
            return Err(Failure::AlreadyExists(format!(
                "`{grantee}` has a grant for `{services}` already: `cattery grant set {grantee} {services}` changes its conditions"
            )));
        }
        self.check_room(grantee, services).await?;
        let transaction = transaction
            .rests_on_all_of(&key, before.as_ref())
            .save(&key, &record);
        self.change(act, event(act, Action::GrantAdded, &record), transaction)
            .await?;
        Ok(record)
    }

    /// Changes the conditions of a grant; it is there throughout.
    pub(crate) async fn set_grant(
        &self,
        act: &Act,
        grantee: &Grantee,
        services: &ServicePattern,
        conditions: Conditions,
    ) -> Result<GrantRecord, Failure> {
        let holder = self.named(grantee).await?;
        let stored = self.stored_grant(grantee, services).await?;
        let mut record = stored.record.clone();
        let mut transaction = Transaction::new()
            .unchanged(&holder.key, holder.revision)
            .rests_on(&stored);
        record.registration = holder.registration;
        if let ServicePattern::Exact(name) = services {
            let target = self.service(name.as_str()).await?;
            record.service_registration = target.record.registration;
            transaction = transaction.rests_on(&target);
        }
        // It was made for another one who had the name, and means nothing.
        if !stored.record.is_of(&record) {
            return Err(no_grant(grantee, services));
        }
        if let Some(caveats) = conditions.caveats {
            record.caveats = caveats;
        }
        if let Some(most) = conditions.max_lease {
            record.max_lease_seconds = most.map(|most| most.as_secs());
        }
        if record == stored.record {
            return Ok(record);
        }
        let transaction = takes_away(transaction, act).save(&stored.key, &record);
        self.change(act, event(act, Action::GrantChanged, &record), transaction)
            .await?;
        Ok(record)
    }

    /// Ends a grant.
    pub(crate) async fn remove_grant(
        &self,
        act: &Act,
        grantee: &Grantee,
        services: &ServicePattern,
    ) -> Result<(), Failure> {
        let grant = self.stored_grant(grantee, services).await?;
        let event = act
            .event(Action::GrantRemoved, format!("service/{services}"))
            .field("principal", grantee.to_string());
        let transaction = takes_away(Transaction::new().rests_on(&grant), act).delete(&grant.key);
        self.change(act, event, transaction).await
    }

    /// A principal that is in use.
    pub(crate) async fn client(&self, principal: &Principal) -> Result<Client, Failure> {
        match principal.kind() {
            PrincipalKind::User(name) => self.user(name).await.map(Client::User),
            PrincipalKind::Service(name) => self.service(name).await.map(Client::Service),
        }
    }

    async fn named(&self, grantee: &Grantee) -> Result<Named, Failure> {
        Ok(match grantee {
            Grantee::Group(name) => {
                let group = self.group(name.as_str()).await?;
                Named {
                    registration: group.record.registration,
                    key: group.key,
                    revision: group.revision,
                }
            }
            Grantee::Principal(principal) => {
                let client = self.client(principal).await?;
                let registration = client.registration();
                let (key, revision) = match client {
                    Client::User(user) => (user.key, user.revision),
                    Client::Service(service) => (service.key, service.revision),
                };
                Named {
                    registration,
                    key,
                    revision,
                }
            }
        })
    }

    async fn stored_grant(
        &self,
        grantee: &Grantee,
        services: &ServicePattern,
    ) -> Result<Stored<GrantRecord>, Failure> {
        let key = key::grant(&grantee.to_string(), &services.to_string());
        let grant = self.get(&key).await?;
        grant.ok_or_else(|| no_grant(grantee, services))
    }

    /// What is read for one call stays bounded. Two who add one at the same time may go beyond by one: that does no harm.
    async fn check_room(
        &self,
        grantee: &Grantee,
        services: &ServicePattern,
    ) -> Result<(), Failure> {
        let name = grantee.to_string();
        let full = |prefix: String, most: usize| async move {
            let (page, more) = self.page::<GrantRecord>(&prefix, None, most).await?;
            Ok::<_, Failure>(more || page.len() >= most)
        };
        if matches!(services, ServicePattern::Prefix(_))
            && full(key::patterns_of(&name), MAX_PATTERNS).await?
        {
            return Err(Failure::Refused(format!(
                "`{grantee}` has grants for {MAX_PATTERNS} patterns, which is the most: remove one, or grant what a shorter prefix names"
            )));
        }
        if matches!(grantee, Grantee::Group(_))
            && full(key::grants_of(&name), MAX_GRANTS_OF_GROUP).await?
        {
            return Err(Failure::Refused(format!(
                "`{grantee}` has {MAX_GRANTS_OF_GROUP} grants, which is the most of a group: remove one, or grant a pattern"
            )));
        }
        Ok(())
    }
}

impl GrantRecord {
    /// Whether both are for the same holders of both names.
    fn is_of(&self, other: &Self) -> bool {
        self.registration == other.registration
            && self.service_registration == other.service_registration
    }
}

/// With a note that something was taken away from somebody who may get keys: nothing is issued on what was read before.
pub(super) fn takes_away(transaction: Transaction, act: &Act) -> Transaction {
    let record = GrantsRecord {
        changed_at: act.now(),
    };
    transaction.save(key::GRANTS_CHANGED, &record)
}

fn no_grant(grantee: &Grantee, services: &ServicePattern) -> Failure {
    Failure::NotFound(format!(
        "`{grantee}` has no grant for `{services}`: `cattery grant list` shows those that there are"
    ))
}

fn event(act: &Act, action: Action, grant: &GrantRecord) -> Event {
    let most = grant.max_lease_seconds.map(Duration::from_secs);
    act.event(action, format!("service/{}", grant.service))
        .field("principal", grant.principal.as_str())
        .field("caveats", shown_caveats(&grant.caveats))
        .field("max_lease", most.map_or(String::new(), show_duration))
}

/// As people write them; their text form shows no byte that a terminal would act on.
pub(super) fn shown_caveats(caveats: &[Vec<u8>]) -> String {
    let shown = caveats.iter().map(|encoded| {
        Caveat::parse(encoded).map_or_else(|_| hex::encode(encoded), |caveat| caveat.to_string())
    });
    shown.collect::<Vec<_>>().join("; ")
}
