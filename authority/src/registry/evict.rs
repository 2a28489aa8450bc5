//! Ending the access of agents: of one, or of all that a service has.

use cattery_core::epoch::{AgentView, Command, Facts, LeftBehind, Refused, Timing};

use super::schedule::Of;
use super::users::used_up;
use super::{Contact, Registry};
use crate::act::Act;
use crate::audit::Action;
use crate::failure::{Failure, shown};
use crate::records::{AgentRecord, DeviceState, LeastVersionRecord, NameState, ServiceRecord, key};
use crate::standing::Decided;
use crate::store::Transaction;

/// What came of an eviction.
pub(crate) struct Evicted {
    pub(crate) service: String,
    /// The newest generation of the service's keys.
    pub(crate) generation: u32,
    /// Who may still accept what is signed with the old one, the evicted agent among them.
    pub(crate) left_behind: Vec<LeftBehind>,
    /// All agents of the service, before.
    pub(crate) contacts: Vec<Contact>,
}

impl Registry {
    /// Ends an agent's access for good. It knows its service's key, so that is replaced at once, or with `planned` in good order.
    pub(crate) async fn evict_agent(
        &self,
        act: &Act,
        timing: &Timing,
        id: &str,
        planned: bool,
    ) -> Result<Evicted, Failure> {
        let agent = self
            .get::<AgentRecord>(&key::agent(id))
            .await?
            .filter(|agent| agent.record.has_access())
            .ok_or_else(|| {
                Failure::NotFound(format!(
                    "no agent with access has the id `{}`: `cattery agent list` shows them all",
                    shown(id)
                ))
            })?;
        let feed = self.feed().await?;
        let epochs = self.live_epochs().await?;
        let service = self.service(&agent.record.service).await?;
        let contacts = self.contacts(Of::Service(&service.record.name)).await?;
        let decided = Decided::now();
        let now = decided.now;
        let views: Vec<AgentView<'_>> = contacts.iter().map(|one| one.view(timing)).collect();
        let facts = Facts {
            now,
            position: feed.next(),
            leases_end: now.saturating_add(epochs.record.greatest_lease),
            agents: &views,
        };
        let command = match planned {
            true => Command::Prepare,
            false => Command::Replace,
        };
        let line = service.record.keys.to_line()?;
        let (line, left_behind) = match line.step(command, &facts, timing) {
            Ok(step) => (step.line, step.left_behind),
            // One is on its way already, and an agent that is given up is no reason for another one.
            Err(Refused::AlreadyPrepared { .. }) => (line, Vec::new()),
            Err(refused) => return Err(Failure::Refused(refused.to_string())),
        };
        drop(views);
        let record = ServiceRecord {
            keys: (&line).into(),
            changed: feed.next(),
            ..service.record.clone()
        };
        let evicted = AgentRecord {
            state: DeviceState::Evicted,
            ..agent.record.clone()
        };
        let event = act
            .event(
                Action::AgentEvicted,
                format!("service/{}", service.record.name),
            )
            .field("agent", id)
            .field("planned", planned.to_string())
            .field("generation", line.last().to_string());
        let transaction = feed
            .raise(Transaction::new())
            .rests_on(&agent)
            .rests_on(&epochs)
            .rests_on(&service)
            .save(&agent.key, &evicted)
            .save(&service.key, &record)
            .delete(key::contact(id));
        self.change_timely(act, event, transaction, decided).await?;
        Ok(Evicted {
            service: service.record.name,
            generation: line.last(),
            left_behind,
            contacts,
        })
    }

    /// Takes a service out of use. Its agents lose access, since none of them is of a later registration, and what it holds as a
    /// client is revoked. How many agents that are.
    pub(crate) async fn disable_service(&self, act: &Act, name: &str) -> Result<usize, Failure> {
        let service = self.service(name).await?;
        let agents = self.agents().await?;
        let agents = agents.iter().filter(|agent| agent.is_of(&service.record));
        let agents = agents.count();
        let feed = self.feed().await?;
        let version = service.record.version.checked_add(1);
        let record = ServiceRecord {
            state: NameState::Disabled,
            version: version.ok_or_else(|| used_up(name))?,
            changed: feed.next(),
            ..service.record.clone()
        };
        let principal = format!("service/{name}");
        let least = LeastVersionRecord {
            principal: principal.clone(),
            version: record.version,
            raised_at: act.now(),
            changed: feed.next(),
        };
        let event = act
            .event(Action::ServiceDisabled, principal.as_str())
            .field("agents", agents.to_string())
            .field("version", record.version.to_string());
        let transaction = feed
            .raise(Transaction::new())
            .rests_on(&service)
            .save(&service.key, &record)
            .save(&key::least_version(&principal), &least);
        self.change(act, event, transaction).await?;
        Ok(agents)
    }
}
