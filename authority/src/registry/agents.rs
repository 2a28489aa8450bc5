use cattery_core::ServiceName;

use super::{Enrolled, Registry, Stored};
use crate::act::Act;
use crate::audit::Action;
use crate::ca::{RequestedKey, Validity};
use crate::failure::Failure;
use crate::records::{
    AgentRecord, DeviceKeys, Hex, OperatorDevice, OperatorRecord, OperatorState, ServiceRecord,
    Subject, key,
};
use crate::registry::join_tokens::Lifetimes;
use crate::signers::Signers;
use crate::store::Transaction;

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
        let agent = self.get::<AgentRecord>(&key::agent(&device.id)).await?;
        let agent = agent
            .filter(|agent| {
                agent.record.has_access()
                    && agent.record.service == *service
                    && agent.record.keys.admit(&device.key_sha256)
            })
            .ok_or_else(gone)?;
        let service = self.get::<ServiceRecord>(&key::service(service)).await?;
        let is_in_use = service.is_some_and(|service| agent.record.is_of(&service.record));
        is_in_use.then_some(agent).ok_or_else(gone)
    }

    /// An agent that enrolled once, whether it has access or not.
    pub(crate) async fn known_agent(&self, id: &str) -> Result<Option<AgentRecord>, Failure> {
        let agent = self.get::<AgentRecord>(&key::agent(id)).await?;
        Ok(agent.map(|agent| agent.record))
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

    /// The next certificate of a device. Its name and role stay as they are.
    pub(crate) async fn renew(
        &self,
        act: &Act,
        signers: &Signers,
        lifetimes: Lifetimes,
        device: &Device,
        key: &RequestedKey,
    ) -> Result<Enrolled, Failure> {
        let keys = DeviceKeys::renewed(device.key_sha256, key.sha256());
        let id = device.id.as_str();
        let signer = self.signer(signers).await?;
        let ca = &signer.ca;
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
                    ca: ca.number(),
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
                        ca: ca.number(),
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
        let transaction = transaction.rests_on(&signer.stored);
        self.change(act, event, transaction).await?;
        Ok(Enrolled {
            subject: device.subject.clone(),
            device_id: device.id.clone(),
            issued,
            trust_bundle: signer.cas.bundle(),
        })
    }
}

/// The one answer to every certificate that the registry does not stand behind.
pub(crate) fn gone() -> Failure {
    Failure::Denied(
        "this certificate gives no access any more: a newer one took its place, its agent was evicted or its service disabled, or its operator was revoked; join anew \
         with a fresh join token"
            .into(),
    )
}
