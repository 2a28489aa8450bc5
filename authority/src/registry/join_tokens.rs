use std::time::Duration;

use cattery_core::ServiceName;
use constant_time_eq::constant_time_eq_32;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::api_keys::Fresh;
use super::{Registry, Stored, new_device_id};
use crate::act::{Act, random};
use crate::audit::Action;
use crate::ca::{Issued, RequestedKey, Validity};
use crate::failure::Failure;
use crate::records::{
    AgentRecord, DeviceKeys, DeviceState, Hex, JoinTokenRecord, JoinUse, OperatorDevice,
    OperatorRecord, OperatorState, Subject, key,
};
use crate::signers::Signers;
use crate::store::Transaction;

/// A join token that somebody came with, and the key that they want a certificate for.
pub(crate) struct Join<'a> {
    pub(crate) id: [u8; 8],
    pub(crate) secret_sha256: [u8; 32],
    pub(crate) key: &'a RequestedKey,
}

/// How long certificates are good for.
#[derive(Clone, Copy)]
pub(crate) struct Lifetimes {
    pub(crate) agent: Duration,
    pub(crate) operator: Duration,
}

/// What came of joining or renewing.
pub(crate) struct Enrolled {
    pub(crate) subject: Subject,
    pub(crate) device_id: String,
    pub(crate) issued: Issued,
    /// The CAs to trust, DER.
    pub(crate) trust_bundle: Vec<Vec<u8>>,
}

impl Registry {
    /// Makes a join token for one agent of a service.
    pub(crate) async fn create_join_token(
        &self,
        act: &Act,
        service: &ServiceName,
        ttl: Duration,
    ) -> Result<Fresh<JoinTokenRecord>, Failure> {
        let stored = self.service(service.as_str()).await?;
        let subject = Subject::Service(service.as_str().to_owned());
        let (mut record, secret) = JoinTokenRecord::fresh(act, subject, ttl)?;
        record.registration = stored.record.registration;
        let key = key::join_token(&record.id);
        let event = act
            .event(Action::JoinTokenCreated, record.subject.to_string())
            .field("join_token", record.id.to_string());
        let transaction = Transaction::new()
            .rests_on(&stored)
            .absent(&key)
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok((record, secret))
    }

    /// Turns a join token into a certificate. The same key may come again while the token has not expired, since the answer
    /// can have been lost; nobody else may. Whatever is wrong, the answer is the same.
    pub(crate) async fn enroll(
        &self,
        act: &Act,
        signers: &Signers,
        lifetimes: Lifetimes,
        join: &Join<'_>,
    ) -> Result<Enrolled, Failure> {
        let token = self
            .get::<JoinTokenRecord>(&key::join_token(&Hex(join.id)))
            .await?
            .filter(|token| token.record.has_secret(join))
            .ok_or_else(not_valid)?;
        if token.record.was_used_by_another(join) {
            self.note_reuse(act, &token).await?;
            return Err(not_valid());
        }
        if token.record.expires_at <= act.now() {
            return Err(not_valid());
        }
        let act = Act {
            actor: token.record.subject.to_string(),
            ..act.clone()
        };
        match &token.record.subject {
            Subject::Service(name) => {
                self.enroll_agent(&act, signers, lifetimes.agent, join, &token, name)
                    .await
            }
            Subject::Operator(name) => {
                self.enroll_operator(&act, signers, lifetimes.operator, join, &token, name)
                    .await
            }
        }
    }

    /// Records that somebody has the secret of a token that another one used: once, so that they cannot fill the log.
    async fn note_reuse(&self, act: &Act, token: &Stored<JoinTokenRecord>) -> Result<(), Failure> {
        if token.record.reused_at.is_some() {
            return Ok(());
        }
        let record = JoinTokenRecord {
            reused_at: Some(act.now()),
            ..token.record.clone()
        };
        let event = act
            .event(Action::JoinTokenReused, token.record.subject.to_string())
            .field("join_token", token.record.id.to_string());
        let transaction = Transaction::new().rests_on(token).save(&token.key, &record);
        self.change(act, event, transaction).await
    }

    async fn enroll_agent(
        &self,
        act: &Act,
        signers: &Signers,
        lifetime: Duration,
        join: &Join<'_>,
        token: &Stored<JoinTokenRecord>,
        name: &str,
    ) -> Result<Enrolled, Failure> {
        let service = self.service(name).await.map_err(hide_missing)?;
        if token.record.registration != service.record.registration {
            return Err(not_valid());
        }
        let id = token.record.device_id()?;
        let key = key::agent(&id);
        let before = self.get::<AgentRecord>(&key).await?;
        let again = before.as_ref().map(|stored| &stored.record);
        let is_over = match again {
            Some(agent) => !agent.has_access() || !agent.keys.admit(&join.key.sha256()),
            // Its agent ended so long ago that it is forgotten.
            None => token.record.used_by.is_some(),
        };
        if is_over {
            return Err(not_valid());
        }
        let service_name: ServiceName = name
            .parse()
            .map_err(|_| Failure::Broken("a stored service name is none"))?;
        let signer = self.signer(signers).await?;
        let issued = signer.ca.issue_service(
            join.key,
            &service_name,
            &id,
            Validity::new(act.now(), lifetime),
        )?;
        let record = AgentRecord {
            id: id.clone(),
            service: name.to_owned(),
            state: DeviceState::Active,
            keys: again.map_or(DeviceKeys::only(issued.key_sha256), |agent| {
                agent.keys.clone()
            }),
            certificate_not_after: issued.not_after,
            ca: signer.ca.number(),
            enrolled_at: again.map_or(act.now(), |agent| agent.enrolled_at),
            registration: service.record.registration,
        };
        let event = act
            .event(Action::AgentEnrolled, act.actor.as_str())
            .field("agent", id.as_str())
            .field("join_token", token.record.id.to_string())
            .field("certificate", issued.serial.as_str());
        let transaction = Transaction::new()
            .rests_on(token)
            .rests_on(&service)
            .rests_on(&signer.stored)
            .rests_on_all_of(&key, before.as_ref())
            .save(&token.key, &token.record.used(join, &id))
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok(Enrolled {
            subject: token.record.subject.clone(),
            device_id: id,
            issued,
            trust_bundle: signer.cas.bundle(),
        })
    }

    async fn enroll_operator(
        &self,
        act: &Act,
        signers: &Signers,
        lifetime: Duration,
        join: &Join<'_>,
        token: &Stored<JoinTokenRecord>,
        name: &str,
    ) -> Result<Enrolled, Failure> {
        let operator = self
            .get::<OperatorRecord>(&key::operator(name))
            .await?
            .ok_or_else(not_valid)?;
        let id = token.record.device_id()?;
        let keys = match (&operator.record.state, &operator.record.device) {
            (OperatorState::Invited, _) if operator.record.invitation == Some(token.record.id) => {
                DeviceKeys::only(join.key.sha256())
            }
            (OperatorState::Active, Some(device))
                if device.id == id && device.keys.admit(&join.key.sha256()) =>
            {
                device.keys.clone()
            }
            _ => return Err(not_valid()),
        };
        let signer = self.signer(signers).await?;
        let validity = Validity::new(act.now(), lifetime);
        let issued = signer.ca.issue_operator(join.key, name, &id, validity)?;
        let record = OperatorRecord {
            state: OperatorState::Active,
            device: Some(OperatorDevice {
                id: id.clone(),
                keys,
                certificate_not_after: issued.not_after,
                ca: signer.ca.number(),
            }),
            invitation: None,
            ..operator.record.clone()
        };
        let event = act
            .event(Action::OperatorEnrolled, act.actor.as_str())
            .field("device", id.as_str())
            .field("role", record.role.as_str())
            .field("join_token", token.record.id.to_string())
            .field("certificate", issued.serial.as_str());
        let transaction = Transaction::new()
            .rests_on(token)
            .rests_on(&operator)
            .rests_on(&signer.stored)
            .save(&token.key, &token.record.used(join, &id))
            .save(&operator.key, &record);
        self.change(act, event, transaction).await?;
        Ok(Enrolled {
            subject: token.record.subject.clone(),
            device_id: id,
            issued,
            trust_bundle: signer.cas.bundle(),
        })
    }
}

impl JoinTokenRecord {
    /// A new one, with its secret.
    pub(super) fn fresh(
        act: &Act,
        subject: Subject,
        ttl: Duration,
    ) -> Result<Fresh<Self>, Failure> {
        let secret = Zeroizing::new(random::<32>()?);
        let record = Self {
            id: Hex(random()?),
            subject,
            registration: 0,
            secret_sha256: Hex(Sha256::digest(*secret).into()),
            created_at: act.now(),
            expires_at: act.after(ttl),
            used_by: None,
            reused_at: None,
        };
        Ok((record, secret))
    }

    fn has_secret(&self, join: &Join<'_>) -> bool {
        constant_time_eq_32(&self.secret_sha256.0, &join.secret_sha256)
    }

    fn was_used_by_another(&self, join: &Join<'_>) -> bool {
        self.used_by
            .as_ref()
            .is_some_and(|used| used.key_sha256 != join.key.sha256())
    }

    /// The device that came of it, or a new one.
    fn device_id(&self) -> Result<String, Failure> {
        match &self.used_by {
            Some(used) => Ok(used.device_id.clone()),
            None => new_device_id(),
        }
    }

    fn used(&self, join: &Join<'_>, device_id: &str) -> Self {
        Self {
            used_by: Some(JoinUse {
                key_sha256: join.key.sha256(),
                device_id: device_id.to_owned(),
            }),
            ..self.clone()
        }
    }
}

/// The one answer to every join token that is of no use.
fn not_valid() -> Failure {
    Failure::Unauthenticated(
        "this join token is not valid: it was used already, has expired, or is another cluster's; an operator can \
         make a new one with `cattery service join-token`"
            .into(),
    )
}

fn hide_missing(failure: Failure) -> Failure {
    match failure {
        Failure::NotFound(_) => not_valid(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
