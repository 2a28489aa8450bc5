//! Groups of users, and who is in them.

use super::grants::takes_away;
use super::users::used_up;
use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::Action;
use crate::failure::Failure;
use crate::granting::GroupName;
use crate::records::{GroupRecord, MembershipRecord, NameState, UserGroupsRecord, key};
use crate::store::Transaction;

/// Most groups that one user is in: the grants of all of them are read to issue a key.
pub(crate) const MAX_GROUPS_OF_USER: usize = 32;

impl Registry {
    /// Makes a group. A name that was used before comes back without members and grants.
    pub(crate) async fn add_group(
        &self,
        act: &Act,
        name: &GroupName,
    ) -> Result<GroupRecord, Failure> {
        let key = key::group(name.as_str());
        let before = self.get::<GroupRecord>(&key).await?;
        let registration = match before.as_ref().map(|stored| &stored.record) {
            None => 0,
            Some(record) if record.state == NameState::Disabled => {
                let next = record.registration.checked_add(1);
                next.ok_or_else(|| used_up(name.as_str()))?
            }
            Some(_) => {
                return Err(Failure::AlreadyExists(format!(
                    "there is a group `{name}` already"
                )));
            }
        };
        let record = GroupRecord {
            name: name.as_str().to_owned(),
            registration,
            state: NameState::Active,
            created_at: act.now(),
        };
        let event = act.event(Action::GroupAdded, format!("group/{name}"));
        let transaction = Transaction::new()
            .rests_on_all_of(&key, before.as_ref())
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok(record)
    }

    /// Ends a group. Its grants and memberships are void from then on, since they are of a registration that is over.
    pub(crate) async fn remove_group(&self, act: &Act, name: &GroupName) -> Result<(), Failure> {
        let group = self.group(name.as_str()).await?;
        let record = GroupRecord {
            state: NameState::Disabled,
            ..group.record.clone()
        };
        let event = act.event(Action::GroupRemoved, format!("group/{name}"));
        let transaction =
            takes_away(Transaction::new().rests_on(&group), act).save(&group.key, &record);
        self.change(act, event, transaction).await
    }

    /// Puts a user into a group.
    pub(crate) async fn add_group_member(
        &self,
        act: &Act,
        name: &GroupName,
        user: &str,
    ) -> Result<MembershipRecord, Failure> {
        let group = self.group(name.as_str()).await?;
        let user = self.user(user).await?;
        let key = key::user_groups(&user.record.name);
        let before = self.get::<UserGroupsRecord>(&key).await?;
        let groups = before
            .as_ref()
            .map_or(&[][..], |stored| stored.record.of(user.record.registration));
        // What is void makes room.
        let mut memberships = Vec::new();
        for membership in groups {
            if self.is_current(membership).await? {
                memberships.push(membership.clone());
            }
        }
        let name = name.as_str();
        let at = match memberships.binary_search_by(|one| one.group.as_str().cmp(name)) {
            Ok(_) => {
                return Err(Failure::AlreadyExists(format!(
                    "the user `{}` is in the group `{name}` already",
                    user.record.name
                )));
            }
            Err(at) => at,
        };
        if memberships.len() >= MAX_GROUPS_OF_USER {
            return Err(Failure::Refused(format!(
                "the user `{}` is in {MAX_GROUPS_OF_USER} groups, which is the most: take them out of one first",
                user.record.name
            )));
        }
        let membership = MembershipRecord {
            group: name.to_owned(),
            registration: group.record.registration,
            added_at: act.now(),
        };
        memberships.insert(at, membership.clone());
        let record = UserGroupsRecord {
            user: user.record.name.clone(),
            registration: user.record.registration,
            groups: memberships,
        };
        let event = act
            .event(Action::GroupMemberAdded, format!("group/{name}"))
            .field("member", format!("user/{}", record.user));
        let transaction = Transaction::new()
            .rests_on(&group)
            .rests_on(&user)
            .rests_on_all_of(&key, before.as_ref())
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok(membership)
    }

    /// Takes a user out of a group.
    pub(crate) async fn remove_group_member(
        &self,
        act: &Act,
        name: &GroupName,
        user: &str,
    ) -> Result<(), Failure> {
        let stored = self
            .get::<UserGroupsRecord>(&key::user_groups(user))
            .await?;
        let is_it = |one: &MembershipRecord| one.group == name.as_str();
        let stored = stored
            .filter(|stored| stored.record.groups.iter().any(is_it))
            .ok_or_else(|| {
                Failure::NotFound(format!(
                    "the user `{user}` is not in the group `{name}`: `cattery group show {name}` lists who is"
                ))
            })?;
        let mut record = stored.record.clone();
        record.groups.retain(|one| !is_it(one));
        let event = act
            .event(Action::GroupMemberRemoved, format!("group/{name}"))
            .field("member", format!("user/{user}"));
        let transaction = takes_away(Transaction::new().rests_on(&stored), act);
        let transaction = match record.groups.is_empty() {
            true => transaction.delete(&stored.key),
            false => transaction.save(&stored.key, &record),
        };
        self.change(act, event, transaction).await
    }

    /// A group that is in use.
    pub(crate) async fn group(&self, name: &str) -> Result<Stored<GroupRecord>, Failure> {
        let group = self.get::<GroupRecord>(&key::group(name)).await?;
        group
            .filter(|stored| stored.record.state == NameState::Active)
            .ok_or_else(|| {
                Failure::NotFound(format!(
                    "there is no group `{name}`: make it with `cattery group add {name}`"
                ))
            })
    }

    /// All groups that are in use, by name.
    pub(crate) async fn groups(&self) -> Result<Vec<GroupRecord>, Failure> {
        let all = self.list::<GroupRecord>(key::GROUPS).await?;
        Ok(all
            .into_iter()
            .map(|stored| stored.record)
            .filter(|group| group.state == NameState::Active)
            .collect())
    }

    /// The groups in use that a user is in, whose registration this is, by name.
    pub(crate) async fn groups_of(
        &self,
        user: &str,
        registration: u32,
    ) -> Result<Vec<MembershipRecord>, Failure> {
        let stored = self
            .get::<UserGroupsRecord>(&key::user_groups(user))
            .await?;
        let mut current = Vec::new();
        if let Some(stored) = stored {
            for membership in stored.record.of(registration) {
                if self.is_current(membership).await? {
                    current.push(membership.clone());
                }
            }
        }
        Ok(current)
    }

    async fn is_current(&self, membership: &MembershipRecord) -> Result<bool, Failure> {
        let group = self
            .get::<GroupRecord>(&key::group(&membership.group))
            .await?;
        Ok(group.is_some_and(|group| membership.is_of(&group.record)))
    }
}

impl UserGroupsRecord {
    /// Those of the user whose registration this is; an earlier holder's are none.
    pub(crate) fn of(&self, registration: u32) -> &[MembershipRecord] {
        match self.registration == registration {
            true => &self.groups,
            false => &[],
        }
    }
}

impl MembershipRecord {
    /// Whether it is in this one, which is in use.
    pub(crate) fn is_of(&self, group: &GroupRecord) -> bool {
        group.state == NameState::Active
            && group.name == self.group
            && group.registration == self.registration
    }
}
