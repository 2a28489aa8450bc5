//! All names at once: to tell what is made for their holders of now from what is left of earlier ones.

use std::collections::HashMap;

use super::Registry;
use crate::failure::Failure;
use crate::granting::{Grantee, ServicePattern};
use crate::records::{
    GrantRecord, GroupRecord, MembershipRecord, NameState, ServiceRecord, UserGroupsRecord,
    UserRecord, key,
};

/// Every user, service and group that ever was, as `user/NAME` and so on: which registration it has, and whether it is in use.
pub(crate) struct Names(HashMap<String, (u32, bool)>);

impl Names {
    /// Whether it is for those who have the names now. A user who is disabled has theirs until the name is given out anew, so that it can be
    /// seen what they had.
    pub(crate) fn has_grant(&self, grant: &GrantRecord) -> bool {
        let service = format!("service/{}", grant.service);
        let now = self.0.get(&grant.principal);
        now.is_some_and(|now| now.0 == grant.registration && (now.1 || grant.is_users()))
            && (grant.prefix().is_some() || self.is(&service, grant.service_registration))
    }

    /// Whether the user who has the name now is in the group that has its name now.
    pub(crate) fn has_member(&self, user: &UserGroupsRecord, one: &MembershipRecord) -> bool {
        self.is(&format!("user/{}", user.user), user.registration)
            && self.is(&format!("group/{}", one.group), one.registration)
    }

    /// Whether it can never mean anything again. What came after the names were read is not.
    pub(super) fn is_void(&self, grant: &GrantRecord) -> bool {
        let service = format!("service/{}", grant.service);
        let now = self.0.get(&grant.principal);
        let is_past = match grant.is_users() {
            true => now.is_some_and(|now| grant.registration < now.0),
            false => self.is_past(&grant.principal, grant.registration),
        };
        is_past || (grant.prefix().is_none() && self.is_past(&service, grant.service_registration))
    }

    /// The same of all that is said of a user.
    pub(super) fn are_void(&self, user: &UserGroupsRecord) -> bool {
        let past = |one: &MembershipRecord| {
            self.is_past(&format!("group/{}", one.group), one.registration)
        };
        self.is_past(&format!("user/{}", user.user), user.registration)
            || user.groups.iter().all(past)
    }

    fn is(&self, name: &str, registration: u32) -> bool {
        self.0.get(name) == Some(&(registration, true))
    }

    fn is_past(&self, name: &str, registration: u32) -> bool {
        let now = self.0.get(name);
        now.is_some_and(|(now, is_used)| registration < *now || (registration == *now && !is_used))
    }
}

impl Registry {
    pub(crate) async fn names(&self) -> Result<Names, Failure> {
        let mut names = HashMap::new();
        for user in self.list::<UserRecord>(key::USERS).await? {
            let (record, state) = (&user.record, user.record.state);
            names.insert(user.key, (record.registration, state == NameState::Active));
        }
        for service in self.list::<ServiceRecord>(key::SERVICES).await? {
            let (record, state) = (&service.record, service.record.state);
            names.insert(
                service.key,
                (record.registration, state == NameState::Active),
            );
        }
        for group in self.list::<GroupRecord>(key::GROUPS).await? {
            let (record, state) = (&group.record, group.record.state);
            names.insert(group.key, (record.registration, state == NameState::Active));
        }
        Ok(Names(names))
    }

    /// The grants of a principal or group, those that concern a service or are for a pattern, or all. Those that an earlier holder of a name
    /// left behind are none.
    pub(crate) async fn grants(
        &self,
        grantee: Option<&Grantee>,
        services: Option<&ServicePattern>,
    ) -> Result<Vec<GrantRecord>, Failure> {
        let prefix = grantee.map_or(key::GRANTS.to_owned(), |grantee| {
            key::grants_of(&grantee.to_string())
        });
        let names = self.names().await?;
        let concerns = |grant: &GrantRecord| match (services, grant.prefix()) {
            (None, _) => true,
            (Some(ServicePattern::Exact(name)), Some(prefix)) => name.as_str().starts_with(prefix),
            (Some(services), _) => grant.service == services.to_string(),
        };
        let all = self.list::<GrantRecord>(&prefix).await?;
        Ok(all
            .into_iter()
            .map(|stored| stored.record)
            .filter(|grant| concerns(grant) && names.has_grant(grant))
            .collect())
    }

    /// Whatever is said of the groups of all users.
    pub(crate) async fn memberships(&self) -> Result<Vec<UserGroupsRecord>, Failure> {
        let all = self.list::<UserGroupsRecord>(key::USER_GROUPS).await?;
        Ok(all.into_iter().map(|stored| stored.record).collect())
    }
}
