//! The life of keys: the rules are the core's state machine; here each step becomes one transaction.

use std::fmt;

use cattery_core::epoch::{
    Action as Do, AgentView, Command, Facts, LeftBehind, Line, Refused, Step, Timing,
};

use super::contacts::Contact;
use super::feed::Feed;
use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::{Action, Event};
use crate::failure::{Failure, chain};
use crate::records::{EpochRecord, EpochsRecord, LineRecord, ServiceRecord, key};
use crate::rootkeys::RootKeys;
use crate::standing::Decided;
use crate::store::Transaction;

/// Whose keys.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    /// The cluster's root keys.
    Cluster,
    /// The generations of a service.
    Service(&'a str),
}

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("epochs"),
            Self::Service(name) => write!(f, "service/{name}"),
        }
    }
}

/// The lengths of time that steps reckon with.
pub(crate) struct Limits {
    pub(crate) timing: Timing,
    /// The greatest lease of this authority, seconds.
    pub(crate) max_lease: u64,
}

/// A step that somebody wants.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) command: Command,
    /// Nothing happens where another key is active by now.
    pub(crate) expect_active: Option<u32>,
    /// Only what would happen.
    pub(crate) dry_run: bool,
}

/// The keys of a cluster or a service, and what every agent that could matter holds of them.
pub(crate) struct Schedule {
    pub(crate) line: Line,
    /// The place in the feed of the last change: whoever confirmed that holds everything.
    pub(crate) changed: u64,
    pub(crate) contacts: Vec<Contact>,
}

/// What came of a step.
pub(crate) struct Stepped {
    pub(crate) outcome: Outcome,
    /// As it is now, or would be.
    pub(crate) schedule: Schedule,
}

/// Whether a step happened.
pub(crate) enum Outcome {
    /// It did, or would. Whom it leaves behind.
    Done(Vec<LeftBehind>),
    /// Another key is active than was expected.
    Changed,
    /// The machine says no.
    Refused(Refused),
}

/// All that a step rests on.
struct Read {
    feed: Feed,
    epochs: Stored<EpochsRecord>,
    service: Option<Stored<ServiceRecord>>,
}

impl Registry {
    /// The root keys that are live.
    pub(crate) async fn live_epochs(&self) -> Result<Stored<EpochsRecord>, Failure> {
        let epochs = self.get(key::EPOCHS_LIVE).await?;
        epochs.ok_or(Failure::Broken("the store has no live epochs"))
    }

    /// What is remembered of every epoch, oldest first.
    pub(crate) async fn epochs(&self) -> Result<Vec<EpochRecord>, Failure> {
        let all = self.list::<EpochRecord>(key::EPOCHS).await?;
        Ok(all.into_iter().map(|stored| stored.record).collect())
    }

    /// The keys as they are, and who holds them.
    pub(crate) async fn schedule(&self, of: Of<'_>) -> Result<Schedule, Failure> {
        // The line first: see `ContactRecord`.
        let (line, changed) = match of {
            Of::Cluster => {
                let epochs = self.live_epochs().await?.record;
                (epochs.line, epochs.changed)
            }
            Of::Service(name) => {
                let service = self.service(name).await?.record;
                (service.keys, service.changed)
            }
        };
        Ok(Schedule {
            line: line.to_line()?,
            changed,
            contacts: self.contacts(of).await?,
        })
    }

    /// Takes a step, if the machine allows it.
    pub(crate) async fn step(
        &self,
        act: &Act,
        root_keys: &RootKeys,
        limits: &Limits,
        of: Of<'_>,
        wanted: Wanted,
    ) -> Result<Stepped, Failure> {
        let timing = &limits.timing;
        let read = self.read(of).await?;
        let line = read.line().to_line()?;
        let contacts = self.contacts(of).await?;
        let schedule = Schedule {
            line,
            changed: read.changed(),
            contacts,
        };
        if wanted
            .expect_active
            .is_some_and(|active| active != schedule.line.active().number)
        {
            return Ok(schedule.came_to(Outcome::Changed));
        }
        let decided = Decided::now();
        let now = decided.now;
        let agents: Vec<AgentView<'_>> = schedule
            .contacts
            .iter()
            .map(|contact| contact.view(timing))
            .collect();
        let facts = Facts {
            now,
            position: read.feed.next(),
            leases_end: read.leases_end(now),
            agents: &agents,
        };
        let step = match schedule.line.step(wanted.command, &facts, timing) {
            Ok(step) => step,
            Err(refused) => {
                drop(agents);
                return Ok(schedule.came_to(Outcome::Refused(refused)));
            }
        };
        drop(agents);
        if !wanted.dry_run {
            let event = event(act, of, wanted.command, &step.line, &step.left_behind);
            let transaction = self
                .carry_out(&read, root_keys, limits, of, &step, now)
                .await?;
            self.change_timely(act, event, transaction, decided).await?;
            if let Of::Cluster = of {
                root_keys.keep_only(&step.line);
                let destroys = |action: &Do| matches!(action, Do::DestroyKey(_));
                if step.actions.iter().any(destroys)
                    && let Err(error) = self.store.compact().await
                {
                    let error = chain(&error);
                    tracing::warn!(
                        error,
                        "a root key is deleted, and the store's history may still have it (sealed): compact etcd"
                    );
                }
            }
        }
        let schedule = Schedule {
            line: step.line,
            changed: read.feed.next(),
            ..schedule
        };
        Ok(schedule.came_to(Outcome::Done(step.left_behind)))
    }

    async fn read(&self, of: Of<'_>) -> Result<Read, Failure> {
        Ok(Read {
            feed: self.feed().await?,
            epochs: self.live_epochs().await?,
            service: match of {
                Of::Cluster => None,
                Of::Service(name) => Some(self.service(name).await?),
            },
        })
    }

    async fn carry_out(
        &self,
        read: &Read,
        root_keys: &RootKeys,
        limits: &Limits,
        of: Of<'_>,
        step: &Step,
        now: u64,
    ) -> Result<Transaction, Failure> {
        let Step { line, actions, .. } = step;
        let changed = read.feed.next();
        let mut transaction = read.feed.raise(Transaction::new());
        match (of, &read.service) {
            (Of::Service(_), Some(service)) => {
                // Keys of a generation are derived: nothing is made and nothing deleted.
                let record = ServiceRecord {
                    keys: line.into(),
                    changed,
                    ..service.record.clone()
                };
                transaction = transaction
                    .rests_on(&read.epochs)
                    .rests_on(service)
                    .save(&service.key, &record);
            }
            _ => {
                let is_new = line.active().number != read.epochs.record.line.active.number;
                let record = EpochsRecord {
                    line: line.into(),
                    // Nothing was issued from a new one yet; authorities that issue longer leases raise it.
                    greatest_lease: match is_new {
                        true => limits.max_lease,
                        false => read.epochs.record.greatest_lease,
                    },
                    changed,
                };
                transaction = transaction
                    .rests_on(&read.epochs)
                    .save(&read.epochs.key, &record);
                for action in actions {
                    transaction = match action {
                        Do::MakeKey(number) => {
                            let path = key::root(*number);
                            transaction
                                .absent(&path)
                                .put(&path, root_keys.fresh(*number)?)
                        }
                        Do::DestroyKey(number) => transaction.delete(key::root(*number)),
                    };
                }
                transaction = self.remember(transaction, line, actions, now).await?;
            }
        }
        Ok(transaction)
    }

    /// Brings what is remembered of the epochs that this step moves up to date.
    async fn remember(
        &self,
        mut transaction: Transaction,
        line: &Line,
        actions: &[Do],
        now: u64,
    ) -> Result<Transaction, Failure> {
        let active = line.active();
        let draining = line.draining();
        let made = actions.iter().filter_map(|action| match action {
            Do::MakeKey(number) => Some(*number),
            Do::DestroyKey(_) => None,
        });
        let destroyed = actions.iter().filter_map(|action| match action {
            Do::DestroyKey(number) => Some(*number),
            Do::MakeKey(_) => None,
        });
        let mut numbers: Vec<u32> = made.chain(destroyed.clone()).collect();
        numbers.push(active.number);
        numbers.extend(draining.map(|draining| draining.number));
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let path = key::epoch(number);
            let before = self.get::<EpochRecord>(&path).await?;
            let mut record = before.as_ref().map_or(
                EpochRecord {
                    number,
                    created_at: now,
                    activated_at: None,
                    not_after: None,
                    retired_at: None,
                },
                |stored| stored.record.clone(),
            );
            if number == active.number {
                record.activated_at = Some(active.since);
            }
            if let Some(draining) = draining.filter(|draining| draining.number == number) {
                record.not_after = Some(draining.not_after);
            }
            if destroyed.clone().any(|destroyed| destroyed == number) {
                record.retired_at = Some(now);
            }
            if before.is_none_or(|before| before.record != record) {
                transaction = transaction.save(&path, &record);
            }
        }
        Ok(transaction)
    }
}

impl Read {
    fn changed(&self) -> u64 {
        match &self.service {
            Some(service) => service.record.changed,
            None => self.epochs.record.changed,
        }
    }

    fn line(&self) -> &LineRecord {
        match &self.service {
            Some(service) => &service.record.keys,
            None => &self.epochs.record.line,
        }
    }

    /// When every lease of the active key ends that was issued so far. Those of an epoch that drains end with it.
    fn leases_end(&self, now: u64) -> u64 {
        let epochs = &self.epochs.record;
        let end = now.saturating_add(epochs.greatest_lease);
        match (&self.service, &epochs.line.draining) {
            (Some(_), Some(draining)) => end.max(draining.not_after),
            _ => end,
        }
    }
}

impl Schedule {
    fn came_to(self, outcome: Outcome) -> Stepped {
        Stepped {
            outcome,
            schedule: self,
        }
    }
}

fn event(act: &Act, of: Of<'_>, command: Command, line: &Line, left: &[LeftBehind]) -> Event {
    let (action, force) = match command {
        Command::Prepare => (Action::KeyPrepared, false),
        Command::Activate { force } => (Action::KeyActivated, force),
        Command::Retire { force } => (Action::KeyRetired, force),
        Command::Replace => (Action::KeysReplaced, false),
    };
    let number = |number: Option<u32>| number.map_or(String::new(), |number| number.to_string());
    let mut event = act
        .event(action, of.to_string())
        .field("active", line.active().number.to_string())
        .field("prepared", number(line.prepared().map(|key| key.number)))
        .field("draining", number(line.draining().map(|key| key.number)))
        .field("force", force.to_string());
    if !left.is_empty() {
        // A record has a limit, and the count says the rest.
        let named: Vec<&str> = left.iter().take(100).map(|left| &*left.id).collect();
        event = event
            .field("left_behind", named.join(" "))
            .field("left_behind_count", left.len().to_string());
    }
    event
}
