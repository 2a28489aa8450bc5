//! Taking back what principals hold: the least version of their keys that agents accept.

use super::Registry;
use super::users::used_up;
use crate::act::Act;
use crate::audit::Action;
use crate::failure::Failure;
use crate::records::{LeastVersionRecord, NameState, UserRecord, key};
use crate::store::Transaction;

/// Revocations by version are told for as long as a key of the old version could live at most: the greatest lease that
/// any configuration allows, and a day for clocks.
pub(super) const TOLD_FOR: u64 = crate::config::MAX_LEASE.as_secs() + 24 * 3600;

impl Registry {
    /// Stops issuing keys to a user, and revokes those that they hold.
    pub(crate) async fn disable_user(&self, act: &Act, name: &str) -> Result<UserRecord, Failure> {
        let state = NameState::Disabled;
        self.raise_user(act, name, Action::UserDisabled, state)
            .await
    }

    /// Revokes the keys that a user holds; they can get new ones.
    pub(crate) async fn revoke_user(&self, act: &Act, name: &str) -> Result<UserRecord, Failure> {
        self.user(name).await?;
        let state = NameState::Active;
        self.raise_user(act, name, Action::UserRevoked, state).await
    }

    async fn raise_user(
        &self,
        act: &Act,
        name: &str,
        action: Action,
        state: NameState,
    ) -> Result<UserRecord, Failure> {
        let user = self.known_user(name).await?;
        if user.record.state == NameState::Disabled {
            return Ok(user.record);
        }
        let feed = self.feed().await?;
        let version = user.record.version.checked_add(1);
        let record = UserRecord {
            version: version.ok_or_else(|| used_up(name))?,
            state,
            ..user.record.clone()
        };
        let principal = format!("user/{name}");
        let least = LeastVersionRecord {
            principal: principal.clone(),
            version: record.version,
            raised_at: act.now(),
            changed: feed.next(),
        };
        let event = act
            .event(action, principal.as_str())
            .field("version", record.version.to_string());
        let transaction = feed
            .raise(Transaction::new())
            .rests_on(&user)
            .save(&user.key, &record)
            .save(&key::least_version(&principal), &least);
        self.change(act, event, transaction).await?;
        Ok(record)
    }
}
