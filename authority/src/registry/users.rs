use cattery_core::UserName;

use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::Action;
use crate::failure::{Failure, shown};
use crate::records::{NameState, UserRecord, key};
use crate::store::Transaction;

impl Registry {
    /// Registers a user. A name that was used before comes back with a higher version, and without the API keys and grants
    /// of whoever had it.
    pub(crate) async fn add_user(&self, act: &Act, name: &UserName) -> Result<UserRecord, Failure> {
        let key = key::user(name.as_str());
        let before = self.get::<UserRecord>(&key).await?;
        // Disabling has raised the version already, and nothing was issued since.
        let (version, registration) = match before.as_ref().map(|stored| &stored.record) {
            None => (0, 0),
            Some(record) if record.state == NameState::Disabled => {
                let next = record.registration.checked_add(1);
                (record.version, next.ok_or_else(|| used_up(name.as_str()))?)
            }
            Some(_) => {
                return Err(Failure::AlreadyExists(format!(
                    "there is a user `{name}` already"
                )));
            }
        };
        let record = UserRecord {
            name: name.as_str().to_owned(),
            version,
            registration,
            state: NameState::Active,
            created_at: act.now(),
        };
        let event = act
            .event(Action::UserAdded, format!("user/{name}"))
            .field("version", version.to_string());
        let transaction = Transaction::new()
            .rests_on_all_of(&key, before.as_ref())
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok(record)
    }

    /// A user who gets keys.
    pub(crate) async fn user(&self, name: &str) -> Result<Stored<UserRecord>, Failure> {
        let user = self.known_user(name).await?;
        match user.record.state {
            NameState::Active => Ok(user),
            NameState::Disabled => Err(Failure::Refused(format!(
                "the user `{name}` is disabled: give the name out anew with `cattery user add {name}`"
            ))),
        }
    }

    /// All users, those disabled too, by name.
    pub(crate) async fn users(&self) -> Result<Vec<UserRecord>, Failure> {
        let all = self.list::<UserRecord>(key::USERS).await?;
        Ok(all.into_iter().map(|stored| stored.record).collect())
    }

    /// A user, disabled or not.
    pub(crate) async fn known_user(&self, name: &str) -> Result<Stored<UserRecord>, Failure> {
        self.get::<UserRecord>(&key::user(name))
            .await?
            .ok_or_else(|| {
                let name = shown(name);
                Failure::NotFound(format!(
                    "there is no user `{name}`: add them with `cattery user add {name}`"
                ))
            })
    }
}

pub(super) fn used_up(name: &str) -> Failure {
    Failure::Refused(format!("the name `{name}` is used up: choose another one"))
}
