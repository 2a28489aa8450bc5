//! Agents that may be alive, though none of them has been heard from in the new incarnation.

use std::collections::BTreeMap;
use std::time::Duration;

use cattery_core::epoch::contact_at_restore;

use super::revise::FIRST;
use crate::backup::Item;
use crate::records::{AgentRecord, ContactRecord, Record as _, key};

/// The outage budget of an agent that was not heard from before the backup, seconds: the usual one.
const USUAL_BUDGET: u64 = 12 * 3600;

/// The agents that the backup has. The first rotation waits for each of them, until it comes back or its outage budget has ended: they may
/// have been answered until just now.
pub(super) struct Contacts {
    /// What counts as the last contact of each.
    at: u64,
    incarnation: u64,
    without: BTreeMap<String, ContactRecord>,
}

impl Contacts {
    /// Of a cluster whose clocks differ by at most `leeway` and which is restored at `now`, Unix seconds.
    pub(super) fn new(leeway: Duration, incarnation: u64, now: u64) -> Self {
        let timing = crate::timing::timing(leeway);
        Self {
            at: contact_at_restore(now, &timing),
            incarnation,
            without: BTreeMap::new(),
        }
    }

    /// An agent that keeps its access. Agents come before their contacts.
    pub(super) fn of(&mut self, agent: &AgentRecord) {
        let record = ContactRecord {
            agent: agent.id.clone(),
            service: agent.service.clone(),
            registration: agent.registration,
            last_contact: self.at,
            outage_budget: USUAL_BUDGET,
            incarnation: self.incarnation,
            told: FIRST,
            acknowledged: 0,
            handed_out: Vec::new(),
            version: String::new(),
        };
        self.without.insert(agent.id.clone(), record);
    }

    /// What the backup knows of such an agent; nothing is left of any other's.
    pub(super) fn revise(&mut self, before: ContactRecord) -> Option<ContactRecord> {
        let record = self.without.remove(&before.agent)?;
        Some(ContactRecord {
            outage_budget: before.outage_budget,
            version: before.version,
            ..record
        })
    }

    /// Those of agents of which the backup has none.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = Item> + use<> {
        let without = std::mem::take(&mut self.without);
        without.into_iter().map(|(agent, record)| Item {
            key: key::contact(&agent),
            value: record.encode(),
        })
    }
}
