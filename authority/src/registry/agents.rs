use cattery_core::ServiceName;

use super::{Enrolled, Registry, Stored};
use crate::act::Act;
use crate::audit::Action;
use crate::ca::{Ca, RequestedKey, Validity};
use crate::failure::Failure;
use crate::records::{
    AgentRecord, DeviceKeys, Hex, OperatorDevice, OperatorRecord, OperatorState, Subject, key,
};
use crate::registry::join_tokens::Lifetimes;
use crate::store::Transaction;

/// How stale an agent's `last_contact` may be before it is written again, seconds: coarse, so that agents cost the store
/// next to nothing, and fine beside any outage budget.
const CONTACT_INTERVAL: u64 = 60;

/// A device that proved, with its certificate, to be one that the registry has.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) subject: Subject,
    pub(crate) id: String,
    /// SHA-256 of the public key of the certificate that it came with.
    pub(crate) key_sha256: Hex<32>,
}

impl Registry {
    /// The agent of a certificate.
    pub(crate) async fn agent(&self, device: &Device) -> Result<Stored<AgentRecord>, Failure> {
        let service = match &device.subject {
            Subject::Service(name) => name,
            Subject::Operator(_) => return Err(gone()),
        };
        self.get::<AgentRecord>(&key::agent(&device.id))
            .await?
            .filter(|agent| {
                agent.record.has_access()
                    && agent.record.service == *service
                    && agent.record.keys.admit(&device.key_sha256)
            })
            .ok_or_else(gone)
    }

    /// The operator of a certificate, unless they were revoked.
    pub(crate) async fn operator_of(
        &self,
        device: &Device,
    ) -> Result<Stored<OperatorRecord>, Failure> {
        let name = match &device.subject {
            Subject::Operator(name) => name,
            Subject::Service(_) => return Err(gone()),
        };
        let its_own =
            |known: &OperatorDevice| known.id == device.id && known.keys.admit(&device.key_sha256);
        self.operator(name)
            .await?
            .filter(|operator| {
                operator.record.state == OperatorState::Active
                    && operator.record.device.as_ref().is_some_and(its_own)
            })
            .ok_or_else(gone)
    }

    /// Notes that an agent was heard from, and which keys it gets: every set of keys once for each certificate in the audit log,
    /// and other contacts without it. Has to succeed before the keys leave.
    pub(crate) async fn agent_gets_keys(
        &self,
        act: &Act,
        agent: &Stored<AgentRecord>,
        keys: Vec<String>,
    ) -> Result<(), Failure> {
        let first = agent.record.handed_out != keys;
        let recent = agent.record.last_contact.saturating_add(CONTACT_INTERVAL) > act.now();
        if recent && !first {
            return Ok(());
        }
        let record = AgentRecord {
            last_contact: act.now().max(agent.record.last_contact),
            handed_out: keys,
            ..agent.record.clone()
        };
        let transaction = Transaction::new().rests_on(agent).save(&agent.key, &record);
        if !first {
            return self.note(transaction).await;
        }
        let event = act
            .event(
                Action::ServiceKeysIssued,
                format!("service/{}", record.service),
            )
            .field("agent", record.id.as_str())
            .field("keys", record.handed_out.join(" "));
        self.change(act, event, transaction).await
    }

    /// The next certificate of a device. Its name and role stay as they are.
    pub(crate) async fn renew(
        &self,
        act: &Act,
        ca: &Ca,
        lifetimes: Lifetimes,
        device: &Device,
        key: &RequestedKey,
    ) -> Result<Enrolled, Failure> {
        let keys = DeviceKeys::renewed(device.key_sha256, key.sha256());
        let id = device.id.as_str();
        let (issued, transaction) = match &device.subject {
            Subject::Service(name) => {
                let agent = self.agent(device).await?;
                let service = self.service(name).await?;
                let name: ServiceName = name
                    .parse()
                    .map_err(|_| Failure::Broken("a stored service name is none"))?;
                let validity = Validity::new(act.now(), lifetimes.agent);
                let issued = ca.issue_service(key, &name, id, validity)?;
                let record = AgentRecord {
                    keys,
                    certificate_not_after: issued.not_after,
                    last_contact: act.now().max(agent.record.last_contact),
                    handed_out: Vec::new(),
                    ..agent.record.clone()
                };
                let transaction = Transaction::new().rests_on(&agent).rests_on(&service);
                (issued, transaction.save(&agent.key, &record))
            }
            Subject::Operator(name) => {
                let operator = self.operator_of(device).await?;
                let validity = Validity::new(act.now(), lifetimes.operator);
                let issued = ca.issue_operator(key, name, id, validity)?;
                let record = OperatorRecord {
                    device: Some(OperatorDevice {
                        id: id.to_owned(),
                        keys,
                        certificate_not_after: issued.not_after,
                    }),
                    ..operator.record.clone()
                };
                let transaction = Transaction::new().rests_on(&operator);
                (issued, transaction.save(&operator.key, &record))
            }
        };
        let event = act
            .event(Action::CertificateRenewed, device.subject.to_string())
            .field("device", id)
            .field("certificate", issued.serial.as_str());
        self.change(act, event, transaction).await?;
        Ok(Enrolled {
            subject: device.subject.clone(),
            device_id: device.id.clone(),
            issued,
        })
    }
}

/// The one answer to every certificate that the registry does not stand behind.
fn gone() -> Failure {
    Failure::Denied(
        "this certificate gives no access any more: a newer one took its place, or its operator was revoked; join anew \
         with a fresh join token"
            .into(),
    )
}
