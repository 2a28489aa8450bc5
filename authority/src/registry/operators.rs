use std::time::Duration;

use super::api_keys::Fresh;
use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::Action;
use crate::failure::{Failure, shown};
use crate::records::{
    JoinTokenRecord, OperatorDevice, OperatorRecord, OperatorState, Role, Subject, key,
};
use crate::store::Transaction;

impl Registry {
    /// Invites an operator: someone new, someone whose invitation was not used yet (which ends it), or someone who was revoked.
    pub(crate) async fn invite_operator(
        &self,
        act: &Act,
        name: &str,
        role: Role,
        ttl: Duration,
    ) -> Result<Fresh<JoinTokenRecord>, Failure> {
        let key = key::operator(name);
        let before = self.get::<OperatorRecord>(&key).await?;
        let again = before.as_ref().map(|stored| &stored.record);
        if again.is_some_and(|operator| operator.state == OperatorState::Active) {
            return Err(Failure::AlreadyExists(format!(
                "there is an operator `{name}` already: to change their role or device, revoke them first with \
                 `cattery operator revoke {name}`"
            )));
        }
        let subject = Subject::Operator(name.to_owned());
        let (token, secret) = JoinTokenRecord::fresh(act, subject, ttl)?;
        let record = OperatorRecord {
            name: name.to_owned(),
            role,
            state: OperatorState::Invited,
            created_at: again.map_or(act.now(), |operator| operator.created_at),
            device: None,
            invitation: Some(token.id),
        };
        let token_key = key::join_token(&token.id);
        let event = act
            .event(Action::OperatorInvited, token.subject.to_string())
            .field("role", role.as_str())
            .field("join_token", token.id.to_string());
        let transaction = Transaction::new()
            .rests_on_all_of(&key, before.as_ref())
            .absent(&token_key)
            .save(&key, &record)
            .save(&token_key, &token);
        self.change(act, event, transaction).await?;
        Ok((token, secret))
    }

    /// Ends an operator's access. An admin goes only while another one stays whose certificate has not ended: the transaction
    /// rests on that one, so two admins cannot revoke each other at the same time.
    pub(crate) async fn revoke_operator(&self, act: &Act, name: &str) -> Result<(), Failure> {
        let all = self.list::<OperatorRecord>(key::OPERATORS).await?;
        let operator = all
            .iter()
            .find(|stored| stored.record.name == name)
            .ok_or_else(|| {
                Failure::NotFound(format!(
                    "there is no operator `{}`: `cattery operator list` shows those that there are",
                    shown(name)
                ))
            })?;
        if operator.record.state == OperatorState::Revoked {
            return Ok(());
        }
        let record = OperatorRecord {
            state: OperatorState::Revoked,
            device: None,
            invitation: None,
            ..operator.record.clone()
        };
        let mut transaction = Transaction::new()
            .rests_on(operator)
            .save(&operator.key, &record);
        if operator.record.is_admin() {
            let other = all
                .iter()
                .find(|stored| stored.record.name != name && stored.record.is_admin_at(act.now()))
                .ok_or_else(|| {
                    Failure::Refused(format!(
                        "`{name}` is the last admin, and nobody else could let one in: first `cattery operator add` another \
                         admin, who has to log in"
                    ))
                })?;
            transaction = transaction.rests_on(other);
        }
        let event = act
            .event(Action::OperatorRevoked, format!("operator/{name}"))
            .field("role", record.role.as_str());
        self.change(act, event, transaction).await
    }

    /// All operators, those revoked too, by name.
    pub(crate) async fn operators(&self) -> Result<Vec<OperatorRecord>, Failure> {
        let all = self.list::<OperatorRecord>(key::OPERATORS).await?;
        Ok(all.into_iter().map(|stored| stored.record).collect())
    }

    /// One operator, in whatever state.
    pub(crate) async fn operator(
        &self,
        name: &str,
    ) -> Result<Option<Stored<OperatorRecord>>, Failure> {
        self.get(&key::operator(name)).await
    }
}

impl OperatorRecord {
    fn is_admin(&self) -> bool {
        self.state == OperatorState::Active && self.role == Role::Admin
    }

    /// Whether they are one, and their certificate has not ended: nobody comes back after that without another admin.
    pub(crate) fn is_admin_at(&self, now: u64) -> bool {
        let lives = |device: &OperatorDevice| device.certificate_not_after > now;
        self.is_admin() && self.device.as_ref().is_some_and(lives)
    }
}
