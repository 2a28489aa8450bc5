//! The way back for an agent whose certificate ended while it was cut off: what it has left is its key.

use std::time::Duration;

use cattery_core::ServiceName;

use super::{Enrolled, Lifetimes, Registry};
use crate::act::Act;
use crate::audit::Action;
use crate::ca::{RequestedKey, Validity};
use crate::failure::Failure;
use crate::records::{AgentRecord, DeviceKeys, Hex, ServiceRecord, Subject, key};
use crate::signers::Signers;
use crate::store::Transaction;

/// An agent that wants to come back, and the key that it proved to have.
pub(crate) struct Recovery<'a> {
    pub(crate) agent_id: &'a str,
    pub(crate) key: &'a RequestedKey,
    /// How long after its certificate's end it may; `None` for not at all.
    pub(crate) window: Option<Duration>,
}

impl Registry {
    /// The next certificate of an agent, for the key that it has. A request that somebody overheard gives them nothing: the
    /// certificate is for its sender's key. Whatever is wrong, the answer is the same.
    ///
    /// A certificate that has not ended by this clock is no reason to refuse: the answer before may have been lost, or another
    /// clock be ahead.
    pub(crate) async fn recover(
        &self,
        act: &Act,
        signers: &Signers,
        lifetimes: Lifetimes,
        recovery: &Recovery<'_>,
    ) -> Result<Enrolled, Failure> {
        let id: Hex<16> = recovery.agent_id.parse().map_err(|_| no_way_back())?;
        let agent = self
            .get::<AgentRecord>(&key::agent(&id.to_string()))
            .await?
            .filter(|agent| recovery.is_due_to(&agent.record, act.now()))
            .ok_or_else(no_way_back)?;
        let service = self
            .get::<ServiceRecord>(&key::service(&agent.record.service))
            .await?
            .filter(|service| agent.record.is_of(&service.record))
            .ok_or_else(no_way_back)?;
        let name: ServiceName = agent
            .record
            .service
            .parse()
            .map_err(|_| Failure::Broken("a stored service name is none"))?;

        let subject = Subject::Service(agent.record.service.clone());
        let act = Act {
            actor: subject.to_string(),
            ..act.clone()
        };
        let device_id = agent.record.id.clone();
        let validity = Validity::new(act.now(), lifetimes.agent);
        let signer = self.signer(signers).await?;
        let issued = signer
            .ca
            .issue_service(recovery.key, &name, &device_id, validity)?;
        let record = AgentRecord {
            keys: DeviceKeys::only(issued.key_sha256),
            certificate_not_after: issued.not_after,
            ca: signer.ca.number(),
            ..agent.record.clone()
        };
        let ended = agent.record.certificate_not_after;
        let event = act
            .event(Action::CertificateRecovered, act.actor.as_str())
            .field("agent", device_id.as_str())
            .field("ended_at", ended.to_string())
            .field("certificate", issued.serial.as_str());
        let transaction = Transaction::new()
            .rests_on(&agent)
            .rests_on(&service)
            .rests_on(&signer.stored)
            .save(&agent.key, &record);
        self.change(&act, event, transaction).await?;
        Ok(Enrolled {
            subject,
            device_id,
            issued,
            trust_bundle: signer.cas.bundle(),
        })
    }
}

impl Recovery<'_> {
    fn is_due_to(&self, agent: &AgentRecord, now: u64) -> bool {
        let in_time = self
            .window
            .is_some_and(|window| now < agent.may_come_back_until(window));
        in_time && agent.has_access() && agent.keys.admit(&self.key.sha256())
    }
}

impl AgentRecord {
    /// When its last way back ends, which stays open for so long after its certificate.
    pub(super) fn may_come_back_until(&self, window: Duration) -> u64 {
        self.certificate_not_after.saturating_add(window.as_secs())
    }
}

/// The one answer to everyone who does not get a certificate back.
fn no_way_back() -> Failure {
    Failure::Unauthenticated(
        "this agent gets no certificate for the key that it has: it was evicted or its service disabled, its last certificate ended too \
         long ago, or it is another cluster's; get a join token with `cattery service join-token` and start it with --join-token-file"
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::DeviceState;
    use crate::registry::testkit::{NOW, csr};

    const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

    fn agent(key: &RequestedKey) -> AgentRecord {
        AgentRecord {
            id: "1".into(),
            service: "photos".into(),
            state: DeviceState::Active,
            keys: DeviceKeys::only(key.sha256()),
            certificate_not_after: NOW,
            ca: 1,
            enrolled_at: NOW - 3600,
            registration: 0,
        }
    }

    #[test]
    fn an_agent_comes_back_within_the_window_and_with_its_own_key() {
        let [own, other] = [csr(), csr()].map(|csr| RequestedKey::from_csr(&csr).unwrap());
        let agent = agent(&own);
        let is_due = |key, window, agent: &AgentRecord, now| {
            let agent_id = "1";
            let recovery = Recovery {
                agent_id,
                key,
                window,
            };
            recovery.is_due_to(agent, now)
        };
        let window = Some(MONTH);
        for now in [NOW - 1, NOW, NOW + MONTH.as_secs() - 1] {
            assert!(is_due(&own, window, &agent, now), "{now}");
        }
        assert!(!is_due(&own, window, &agent, NOW + MONTH.as_secs()));
        assert!(!is_due(&own, None, &agent, NOW - 1));
        assert!(!is_due(&other, window, &agent, NOW));
        // Its last renewal's answer was lost.
        let renewed = AgentRecord {
            keys: DeviceKeys::renewed(own.sha256(), other.sha256()),
            ..agent.clone()
        };
        assert!(is_due(&own, window, &renewed, NOW));
        let evicted = AgentRecord {
            state: DeviceState::Evicted,
            ..agent
        };
        assert!(!is_due(&own, window, &evicted, NOW));
    }
}
