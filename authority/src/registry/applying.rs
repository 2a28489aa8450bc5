//! Under which grant a caller gets a key, read no further than it takes to know.

use std::collections::BTreeSet;

use cattery_core::{Principal, PrincipalKind};

use super::{Registry, Stored};
use crate::failure::Failure;
use crate::granting::{Candidate, Choice, choose};
use crate::records::{GrantRecord, GrantsRecord, NameState, ServiceRecord, key};
use crate::store::{MAX_PAGE, Transaction};

/// The grants that one caller comes by.
pub(crate) struct Applying<'a> {
    registry: &'a Registry,
    principal: &'a Principal,
    registration: u32,
    /// As it was before anything else was read.
    since: Option<Stored<GrantsRecord>>,
    /// Their own for patterns, once they are read.
    patterns: Option<Vec<Candidate>>,
    /// All of their groups, once they are read.
    of_groups: Option<Vec<Candidate>>,
}

impl<'a> Applying<'a> {
    /// Those of the caller whose registration this is.
    pub(crate) async fn to(
        registry: &'a Registry,
        principal: &'a Principal,
        registration: u32,
    ) -> Result<Self, Failure> {
        Ok(Self {
            registry,
            principal,
            registration,
            since: registry.get(key::GRANTS_CHANGED).await?,
            patterns: None,
            of_groups: None,
        })
    }

    /// Only if nothing was taken away from anybody since.
    pub(crate) fn rest(&self, transaction: Transaction) -> Transaction {
        transaction.rests_on_all_of(key::GRANTS_CHANGED, self.since.as_ref())
    }

    /// Whether something was, as a registry knows it that has read nothing ahead.
    pub(crate) async fn is_outdated(&self, registry: &Registry) -> Result<bool, Failure> {
        let now = registry.get::<GrantsRecord>(key::GRANTS_CHANGED).await?;
        let revision = |stored: &Stored<GrantsRecord>| stored.revision;
        Ok(now.as_ref().map(revision) != self.since.as_ref().map(revision))
    }

    /// The one grant that a key for this service is issued under. What goes before everything else is read first, so nothing that is left
    /// unread could change the answer.
    pub(crate) async fn under(
        &mut self,
        service: &ServiceRecord,
    ) -> Result<Option<GrantRecord>, Failure> {
        let own = self.own(&service.name).await?;
        if let Choice::Applies(found) = choose(service, own.as_slice()) {
            return Ok(Some(found.grant.clone()));
        }
        if let Choice::Applies(found) = choose(service, self.patterns().await?) {
            return Ok(Some(found.grant.clone()));
        }
        let principal = self.principal.as_str();
        match choose(service, self.of_groups().await?) {
            Choice::Applies(found) => Ok(Some(found.grant.clone())),
            Choice::Nothing => Ok(None),
            Choice::Tied(one, other) => {
                tracing::warn!(
                    principal,
                    service = service.name,
                    "no key is issued: the grants of {} and {} for {} differ; `cattery grant explain` shows them",
                    one.grant.principal,
                    other.grant.principal,
                    one.grant.service
                );
                Ok(None)
            }
        }
    }

    /// Every grant that they come by.
    pub(crate) async fn all(&mut self) -> Result<Vec<Candidate>, Failure> {
        let mut all = self
            .candidates(&key::grants_of(self.principal.as_str()))
            .await?;
        all.extend_from_slice(self.of_groups().await?);
        Ok(all)
    }

    /// The services in use that any of their grants names, by name; no more than `most` and one.
    pub(crate) async fn services(&mut self, most: usize) -> Result<Vec<String>, Failure> {
        let mut names = BTreeSet::new();
        for Candidate { grant, .. } in self.all().await? {
            match grant.prefix() {
                Some(prefix) => self.registry.named_like(prefix, most, &mut names).await?,
                None => {
                    let service = self
                        .registry
                        .get::<ServiceRecord>(&key::service(&grant.service))
                        .await?;
                    let is_it = |service: &Stored<ServiceRecord>| {
                        service.record.state == NameState::Active && grant.names(&service.record)
                    };
                    if service.as_ref().is_some_and(is_it) {
                        names.insert(grant.service);
                    }
                }
            }
            if names.len() > most {
                break;
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Their own for exactly this service.
    async fn own(&self, service: &str) -> Result<Option<Candidate>, Failure> {
        let key = key::grant(self.principal.as_str(), service);
        let grant = self.registry.get::<GrantRecord>(&key).await?;
        Ok(grant.and_then(|stored| candidate(stored.record, self.registration, None)))
    }

    async fn patterns(&mut self) -> Result<&[Candidate], Failure> {
        if self.patterns.is_none() {
            let prefix = key::patterns_of(self.principal.as_str());
            self.patterns = Some(self.candidates(&prefix).await?);
        }
        Ok(self.patterns.as_deref().unwrap_or_default())
    }

    async fn of_groups(&mut self) -> Result<&[Candidate], Failure> {
        if self.of_groups.is_none() {
            self.of_groups = Some(self.read_groups().await?);
        }
        Ok(self.of_groups.as_deref().unwrap_or_default())
    }

    async fn read_groups(&self) -> Result<Vec<Candidate>, Failure> {
        let PrincipalKind::User(user) = self.principal.kind() else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for membership in self.registry.groups_of(user, self.registration).await? {
            all.extend(
                self.registry
                    .grants_of_group(&membership.group, membership.registration)
                    .await?,
            );
        }
        Ok(all)
    }

    async fn candidates(&self, prefix: &str) -> Result<Vec<Candidate>, Failure> {
        let all = self.registry.list::<GrantRecord>(prefix).await?;
        let own = |stored: Stored<GrantRecord>| candidate(stored.record, self.registration, None);
        Ok(all.into_iter().filter_map(own).collect())
    }
}

impl Registry {
    /// What a group is granted, whose registration this is.
    pub(crate) async fn grants_of_group(
        &self,
        group: &str,
        registration: u32,
    ) -> Result<Vec<Candidate>, Failure> {
        let prefix = key::grants_of(&format!("group/{group}"));
        let all = self.list::<GrantRecord>(&prefix).await?;
        let its = |stored: Stored<GrantRecord>| candidate(stored.record, registration, Some(group));
        Ok(all.into_iter().filter_map(its).collect())
    }

    /// Adds the names of the services in use that begin with a prefix, until there are more than `most`.
    async fn named_like(
        &self,
        prefix: &str,
        most: usize,
        names: &mut BTreeSet<String>,
    ) -> Result<(), Failure> {
        let prefix = key::service(prefix);
        let mut after: Option<String> = None;
        loop {
            let (page, more) = self
                .page::<ServiceRecord>(&prefix, after.as_deref(), MAX_PAGE)
                .await?;
            after = page.last().map(|stored| stored.key.clone());
            let active = page
                .into_iter()
                .map(|stored| stored.record)
                .filter(|service| service.state == NameState::Active);
            names.extend(active.map(|service| service.name));
            if !more || names.len() > most {
                return Ok(());
            }
        }
    }
}

fn candidate(grant: GrantRecord, registration: u32, group: Option<&str>) -> Option<Candidate> {
    (grant.registration == registration).then(|| Candidate {
        group: group.map(str::to_owned),
        grant,
    })
}

#[cfg(test)]
mod tests;
