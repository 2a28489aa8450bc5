use std::time::Duration;

use cattery_core::{Caveat, Principal, PrincipalKind, ServiceName};

use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::Action;
use crate::config::show_duration;
use crate::failure::Failure;
use crate::records::{GrantRecord, ServiceRecord, UserRecord, key};
use crate::store::Transaction;

/// Someone who can be granted something, as they were read.
pub(crate) enum Grantee {
    User(Stored<UserRecord>),
    Service(Stored<ServiceRecord>),
}

impl Grantee {
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

    fn check(&self, transaction: Transaction) -> Transaction {
        match self {
            Self::User(user) => transaction.rests_on(user),
            Self::Service(service) => transaction.rests_on(service),
        }
    }
}

impl Registry {
    /// Makes a grant, between two names that are in use.
    pub(crate) async fn add_grant(
        &self,
        act: &Act,
        principal: &Principal,
        service: &ServiceName,
        caveats: Vec<Vec<u8>>,
        max_lease: Option<Duration>,
    ) -> Result<GrantRecord, Failure> {
        let grantee = self.grantee(principal).await?;
        let target = self.service(service.as_str()).await?;
        let key = key::grant(principal.as_str(), service.as_str());
        let before = self.get::<GrantRecord>(&key).await?;
        if let Some(before) = &before
            && before.record.registration == grantee.registration()
            && before.record.service_registration == target.record.registration
        {
            return Err(Failure::AlreadyExists(format!(
                "`{principal}` has a grant for `{service}` already: to change it, remove it first with \
                 `cattery grant remove {principal} {service}`"
            )));
        }
        let record = GrantRecord {
            principal: principal.as_str().to_owned(),
            registration: grantee.registration(),
            service: service.as_str().to_owned(),
            service_registration: target.record.registration,
            caveats,
            max_lease_seconds: max_lease.map(|lease| lease.as_secs()),
            created_at: act.now(),
        };
        let event = act
            .event(Action::GrantAdded, format!("service/{service}"))
            .field("principal", principal.as_str())
            .field("caveats", shown_caveats(&record.caveats))
            .field("max_lease", max_lease.map_or(String::new(), show_duration));
        let transaction = grantee
            .check(Transaction::new())
            .rests_on(&target)
            .rests_on_all_of(&key, before.as_ref())
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok(record)
    }

    /// Ends a grant.
    pub(crate) async fn remove_grant(
        &self,
        act: &Act,
        principal: &Principal,
        service: &ServiceName,
    ) -> Result<(), Failure> {
        let key = key::grant(principal.as_str(), service.as_str());
        let grant = self.get::<GrantRecord>(&key).await?.ok_or_else(|| {
            Failure::NotFound(format!(
                "`{principal}` has no grant for `{service}`: `cattery grant list` shows those that there are"
            ))
        })?;
        let event = act
            .event(Action::GrantRemoved, format!("service/{service}"))
            .field("principal", principal.as_str());
        let transaction = Transaction::new().rests_on(&grant).delete(&key);
        self.change(act, event, transaction).await
    }

    /// What a caller holds, whose registration it is.
    pub(crate) async fn grant(
        &self,
        principal: &Principal,
        registration: u32,
        service: &str,
    ) -> Result<Option<GrantRecord>, Failure> {
        let grant = self
            .get::<GrantRecord>(&key::grant(principal.as_str(), service))
            .await?;
        Ok(grant
            .map(|stored| stored.record)
            .filter(|grant| grant.registration == registration))
    }

    /// Every grant of a caller, by service.
    pub(crate) async fn grants_of(
        &self,
        principal: &Principal,
        registration: u32,
    ) -> Result<Vec<GrantRecord>, Failure> {
        let all = self
            .list::<GrantRecord>(&key::grants_of(principal.as_str()))
            .await?;
        Ok(all
            .into_iter()
            .map(|stored| stored.record)
            .filter(|grant| grant.registration == registration)
            .collect())
    }

    /// The grants of a principal, for a service, or all, by principal and then service. Those that an earlier holder of a
    /// name left behind are none.
    pub(crate) async fn grants(
        &self,
        principal: Option<&Principal>,
        service: Option<&ServiceName>,
    ) -> Result<Vec<GrantRecord>, Failure> {
        let prefix = principal.map_or(key::GRANTS.to_owned(), |principal| {
            key::grants_of(principal.as_str())
        });
        let users = self.users().await?;
        let services = self.services().await?;
        let registration = |name: &str| {
            services
                .binary_search_by(|service| service.name.as_str().cmp(name))
                .map(|index| services[index].registration)
        };
        let current = |grant: &GrantRecord| {
            if registration(&grant.service) != Ok(grant.service_registration) {
                return false;
            }
            let now = match grant.principal.split_once('/') {
                Some(("user", name)) => users
                    .binary_search_by(|user| user.name.as_str().cmp(name))
                    .map(|index| users[index].registration),
                Some((_, name)) => registration(name),
                None => return false,
            };
            now == Ok(grant.registration)
        };
        let all = self.list::<GrantRecord>(&prefix).await?;
        Ok(all
            .into_iter()
            .map(|stored| stored.record)
            .filter(|grant| service.is_none_or(|service| grant.service == service.as_str()))
            .filter(current)
            .collect())
    }

    /// A principal that is in use.
    pub(crate) async fn grantee(&self, principal: &Principal) -> Result<Grantee, Failure> {
        match principal.kind() {
            PrincipalKind::User(name) => self.user(name).await.map(Grantee::User),
            PrincipalKind::Service(name) => self.service(name).await.map(Grantee::Service),
        }
    }
}

/// As people write them; their text form shows no byte that a terminal would act on.
pub(super) fn shown_caveats(caveats: &[Vec<u8>]) -> String {
    let shown = caveats.iter().map(|encoded| {
        Caveat::parse(encoded).map_or_else(|_| hex::encode(encoded), |caveat| caveat.to_string())
    });
    shown.collect::<Vec<_>>().join("; ")
}
