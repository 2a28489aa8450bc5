//! Which agents are alive, and what they hold.

use std::collections::HashMap;

use cattery_core::epoch::{AgentView, Timing, live_until};

use super::schedule::Of;
use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::{Action, Audit};
use crate::failure::Failure;
use crate::records::{AgentRecord, ContactRecord, granularity, key};
use crate::store::{Revision, Transaction};

/// An agent that an authority has heard from.
pub(crate) struct Contact {
    pub(crate) record: ContactRecord,
    acknowledged: u64,
}

impl Contact {
    /// As the machine sees it.
    pub(crate) fn view(&self, timing: &Timing) -> AgentView<'_> {
        AgentView {
            id: &self.record.agent,
            live_until: self.live_until(timing),
            acknowledged: self.acknowledged,
        }
    }

    /// Until when it may go on with what it holds.
    pub(crate) fn live_until(&self, timing: &Timing) -> u64 {
        self.record.live_until(timing)
    }

    /// Whether it confirmed what was told at this place of the feed.
    pub(crate) fn holds(&self, position: u64) -> bool {
        self.acknowledged >= position
    }
}

impl ContactRecord {
    /// Until when the agent may go on with what it holds.
    pub(crate) fn live_until(&self, timing: &Timing) -> u64 {
        let budget = self.outage_budget;
        live_until(self.last_contact, budget, granularity(budget), timing)
    }
}

/// What an agent is told rests on these revisions: of the epochs and of its service.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) epochs: (&'a str, Revision),
    pub(crate) service: (&'a str, Revision),
}

impl Registry {
    /// Every agent that was heard from and whose service is in use, or those of one service.
    pub(crate) async fn contacts(&self, of: Of<'_>) -> Result<Vec<Contact>, Failure> {
        let incarnation = self.incarnation;
        let services: HashMap<String, u32> = self
            .services()
            .await?
            .into_iter()
            .map(|service| (service.name, service.registration))
            .collect();
        let all = self.list::<ContactRecord>(key::CONTACTS).await?;
        Ok(all
            .into_iter()
            .map(|stored| stored.record)
            .filter(|record| services.get(&record.service) == Some(&record.registration))
            .filter(|record| match of {
                Of::Cluster => true,
                Of::Service(name) => record.service == name,
            })
            .map(|record| Contact {
                acknowledged: record.acknowledged_in(incarnation),
                record,
            })
            .collect())
    }

    /// What was known of an agent.
    pub(crate) async fn contact(
        &self,
        agent: &str,
    ) -> Result<Option<Stored<ContactRecord>>, Failure> {
        self.get(&key::contact(agent)).await
    }

    /// Notes what is known of an agent before it is told anything, and answers the note's revision. Keys that it gets for the first
    /// time go into the audit log before.
    pub(crate) async fn note_contact(
        &self,
        act: &Act,
        agent: &Stored<AgentRecord>,
        before: Option<&Stored<ContactRecord>>,
        record: ContactRecord,
        told: Told<'_>,
    ) -> Result<Stored<ContactRecord>, Failure> {
        if before.is_none_or(|before| before.record.handed_out != record.handed_out) {
            record_keys(act, self.audit(), &record).await?;
        }
        let key = key::contact(&record.agent);
        let transaction = Transaction::new()
            .rests_on(agent)
            .unchanged(told.epochs.0, told.epochs.1)
            .unchanged(told.service.0, told.service.1)
            .rests_on_all_of(&key, before)
            .save(&key, &record);
        let revision = self.note(transaction).await?;
        Ok(Stored {
            key,
            record,
            revision,
        })
    }
}

async fn record_keys(act: &Act, audit: &Audit, record: &ContactRecord) -> Result<(), Failure> {
    let event = act
        .event(
            Action::ServiceKeysIssued,
            format!("service/{}", record.service),
        )
        .field("agent", record.agent.as_str())
        .field("keys", record.handed_out.join(" "));
    audit.append(event).await?;
    Ok(())
}
