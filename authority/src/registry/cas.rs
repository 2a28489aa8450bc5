//! The cluster's CAs: which one signs, and how that changes. The rules are `ca/rollover.rs`; here each step becomes one transaction.

mod needed;

use std::sync::Arc;
use std::time::Duration;

use cattery_core::epoch::{AgentView, Command, Timing};

use super::schedule::Of;
use super::{Contact, Registry, Stored};
use crate::act::Act;
use crate::audit::{Action, Event};
use crate::ca::{Ca, CaFacts, CaNeeded, CaRefused, CaStep, Cas, Leases, Rollover, Validity};
use crate::failure::Failure;
use crate::records::{CasRecord, key};
use crate::signers::Signers;
use crate::standing::Decided;
use crate::store::Transaction;

/// The CA that signs. A certificate is good only if the store still said so when it was recorded.
pub(crate) struct Signer {
    pub(crate) ca: Arc<Ca>,
    /// As of then.
    pub(crate) cas: Cas,
    pub(super) stored: Stored<CasRecord>,
}

/// What the CAs' turns are reckoned with.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) timing: Timing,
    /// How long the next CA is good for.
    pub(crate) ca_lifetime: Duration,
    /// How long an authority's own certificate is.
    pub(crate) authority_lifetime: Duration,
    /// How long after its certificate's end an agent may come back; `None` for not at all.
    pub(crate) recovery: Option<Duration>,
}

/// The CAs, and what is known of those who matter.
pub(crate) struct CaSchedule {
    pub(crate) cas: Cas,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) needed: CaNeeded,
    pub(crate) leases: Leases,
}

/// What came of a step: it happened, or why it did not.
pub(crate) type CaOutcome = Result<CaStep, CaRefused>;

impl Turns {
    /// The rules for these CAs.
    pub(crate) fn rollover<'a>(&'a self, cas: &'a Cas, leases: Leases) -> Rollover<'a> {
        Rollover {
            cas,
            leases,
            authority_lifetime: self.authority_lifetime.as_secs(),
            timing: &self.timing,
        }
    }
}

impl Registry {
    /// The CA that signs now.
    pub(crate) async fn signer(&self, signers: &Signers) -> Result<Signer, Failure> {
        let (stored, cas) = self.cas().await?;
        let ca = signers.get(cas.active.number).await?;
        Ok(Signer { ca, cas, stored })
    }

    /// The CAs, and who holds and needs what.
    pub(crate) async fn ca_schedule(&self, turns: &Turns, now: u64) -> Result<CaSchedule, Failure> {
        let (_, cas) = self.cas().await?;
        self.schedule_of(cas, turns, now).await
    }

    /// Takes a step, if the rules allow it.
    pub(crate) async fn step_ca(
        &self,
        act: &Act,
        signers: &Signers,
        turns: &Turns,
        command: Command,
    ) -> Result<CaOutcome, Failure> {
        let feed = self.feed().await?;
        let signer = self.signer(signers).await?;
        let decided = Decided::now();
        let schedule = self
            .schedule_of(signer.cas.clone(), turns, decided.now)
            .await?;
        let agents: Vec<AgentView<'_>> = schedule
            .contacts
            .iter()
            .map(|contact| contact.view(&turns.timing))
            .collect();
        let facts = CaFacts {
            now: decided.now,
            position: feed.next(),
            agents: &agents,
            needed: schedule.needed,
        };
        let rollover = turns.rollover(&schedule.cas, schedule.leases);
        let step = match rollover.step(command, &facts) {
            Ok(step) => step,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut transaction = feed
            .raise_for_cluster(Transaction::new())
            .rests_on(&signer.stored);
        let made = match (command, step.line.prepared()) {
            (Command::Prepare, Some(prepared)) => {
                let validity = Validity::new(decided.now, turns.ca_lifetime);
                let made = signer.ca.successor(prepared.number, validity)?;
                let path = made.ca.path();
                transaction = transaction
                    .absent(&path)
                    .put(&path, signers.seal(&made.ca)?);
                Some(made)
            }
            // Nothing is signed with it any more, by nobody.
            (Command::Activate { .. }, _) => {
                transaction = transaction.delete(signer.ca.path());
                None
            }
            _ => None,
        };
        let cas = signer.cas.moved(&step.line, made.as_ref())?;
        let transaction = transaction.save(key::CAS, &cas.record(self.incarnation));
        let event = event(act, command, &signer.cas, &cas, &step);
        self.change_timely(act, event, transaction, decided).await?;
        Ok(Ok(step))
    }

    async fn cas(&self) -> Result<(Stored<CasRecord>, Cas), Failure> {
        let stored = self.get::<CasRecord>(key::CAS).await?;
        let stored = stored.ok_or(Failure::Broken("the store names no CA"))?;
        let cas = Cas::read(&stored.record, self.incarnation)?;
        Ok((stored, cas))
    }

    async fn schedule_of(&self, cas: Cas, turns: &Turns, now: u64) -> Result<CaSchedule, Failure> {
        let epochs = self.live_epochs().await?.record;
        Ok(CaSchedule {
            needed: self.needs_of(&cas, turns, now).await?,
            contacts: self.contacts(Of::Cluster).await?,
            leases: Leases::of(&epochs.line.to_line()?, epochs.greatest_lease),
            cas,
        })
    }
}

fn event(act: &Act, command: Command, before: &Cas, after: &Cas, step: &CaStep) -> Event {
    let (action, about, force) = match command {
        Command::Activate { force } => (Action::CaActivated, Some(&after.active), force),
        Command::Retire { force } => (Action::CaRetired, before.draining.as_ref(), force),
        Command::Prepare | Command::Replace => (Action::CaPrepared, after.prepared.as_ref(), false),
    };
    let mut event = act
        .event(action, "cas")
        .field("active", after.active.number.to_string())
        .field("force", force.to_string());
    if let Some(ca) = about {
        event = event
            .field("number", ca.number.to_string())
            .field("ca_sha256", hex::encode(ca.fingerprint()));
    }
    if !step.left_behind.is_empty() {
        // A record has a limit, and the count says the rest.
        let named: Vec<&str> = step
            .left_behind
            .iter()
            .take(100)
            .map(|left| &*left.id)
            .collect();
        event = event
            .field("left_behind", named.join(" "))
            .field("left_behind_count", step.left_behind.len().to_string());
    }
    event
}
