//! The rules of what the store holds: who is registered, who may do what, and how that changes.
//!
//! Every change is one transaction that rests on all that was read to decide it, and goes through the audit log.

mod agents;
mod api_keys;
mod applying;
mod cas;
mod contacts;
mod counts;
mod evict;
mod feed;
mod grants;
mod groups;
mod join_tokens;
mod leases;
mod members;
mod names;
mod operators;
mod own_api_keys;
mod own_revoked;
mod recover;
mod revocations;
mod revoked;
mod schedule;
mod services;
mod sweep;
#[cfg(test)]
mod testkit;
mod under;
mod used;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::act::Act;
use crate::audit::{Audit, Changes, Event, VerifyReport};
use crate::failure::Failure;
use crate::records::Record;
use crate::standing::{Decided, Standing};
use crate::store::{Entry, Revision, Store, Transaction, list_all};

pub(crate) use agents::{Device, gone};
pub(crate) use api_keys::{ApiKeyState, Fresh, Proven};
pub(crate) use applying::Applying;
pub(crate) use cas::{CaSchedule, Turns};
pub(crate) use contacts::{Contact, Told};
pub(crate) use grants::Conditions;
pub(crate) use join_tokens::{Enrolled, Join, Lifetimes};
pub(crate) use members::register;
pub(crate) use recover::Recovery;
pub(crate) use revoked::{MOST_REVOKED, Revocation, Revoking};
pub(crate) use schedule::{Limits, Of, Outcome, Schedule, Wanted};
pub(crate) use under::Under;
pub(crate) use used::{Spent, Used};

/// How often a change is decided anew when others change the same thing, before the caller is told to. Of two authorities that change what
/// agents hear of without a pause, each loses to the other about every second time.
const ATTEMPTS: usize = 12;

/// A record as it was read.
pub(crate) struct Stored<R> {
    pub(crate) key: String,
    pub(crate) record: R,
    pub(crate) revision: Revision,
}

impl<R: Record> Stored<R> {
    fn read(entry: Entry) -> Result<Self, Failure> {
        Ok(Self {
            record: R::decode(&entry.key, &entry.value)?,
            revision: entry.revision,
            key: entry.key,
        })
    }
}

/// All records of a cluster.
#[derive(Clone)]
pub(crate) struct Registry {
    store: Arc<dyn Store>,
    changes: Changes,
    incarnation: u64,
    standing: Arc<Standing>,
    /// Held by whoever makes a change that agents hear of.
    feed_turn: Arc<Mutex<()>>,
    uses: Arc<used::Uses>,
    /// What was read ahead.
    ahead: Arc<BTreeMap<String, Option<Entry>>>,
    /// Leases that are out, by what they were proven with.
    out: Arc<counts::Counts>,
}

impl Registry {
    /// `incarnation`: the cluster's.
    pub(crate) fn new(store: Arc<dyn Store>, changes: Changes, incarnation: u64) -> Self {
        Self {
            store,
            changes,
            incarnation,
            standing: Arc::default(),
            feed_turn: Arc::default(),
            uses: Arc::default(),
            ahead: Arc::default(),
            out: Arc::new(leases::counts()),
        }
    }

    /// The same, with a place that somebody else sees to.
    pub(crate) fn resting_on(self, standing: Arc<Standing>) -> Self {
        Self { standing, ..self }
    }

    /// The same, with these keys read together: for one decision, which sees them as they are now.
    pub(crate) async fn reading(&self, keys: Vec<String>) -> Result<Self, Failure> {
        let entries = self.store.get_all(&keys).await?;
        let ahead = keys.into_iter().zip(entries).collect();
        Ok(Self {
            ahead: Arc::new(ahead),
            ..self.clone()
        })
    }

    /// What this authority's changes rest on.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(crate) fn audit(&self) -> &Audit {
        self.changes.audit()
    }

    pub(crate) async fn get<R: Record>(&self, key: &str) -> Result<Option<Stored<R>>, Failure> {
        let entry = match self.ahead.get(key) {
            Some(entry) => entry.clone(),
            None => self.store.get(key).await?,
        };
        entry.map(Stored::read).transpose()
    }

    pub(crate) async fn list<R: Record>(&self, prefix: &str) -> Result<Vec<Stored<R>>, Failure> {
        list_all(&*self.store, prefix)
            .await?
            .into_iter()
            .map(Stored::read)
            .collect()
    }

    /// The next records, at most `limit`, in the order of their keys, and whether there are more behind them.
    async fn page<R: Record>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Stored<R>>, bool), Failure> {
        let page = self.store.list(prefix, after, limit).await?;
        let records: Result<_, Failure> = page.entries.into_iter().map(Stored::read).collect();
        Ok((records?, page.more))
    }

    /// Checks this authority's audit log from its first record to its last.
    pub(crate) async fn verify_audit(&self) -> Result<VerifyReport, Failure> {
        Ok(self.changes.verify().await?)
    }

    /// A change that the audit log has.
    async fn change(
        &self,
        act: &Act,
        event: Event,
        transaction: Transaction,
    ) -> Result<(), Failure> {
        let transaction = self.standing.rest(act.rest(transaction))?;
        self.changes.apply(event, transaction).await?;
        Ok(())
    }

    /// A change that was decided by the clock: when it is too late, it does not happen.
    async fn change_timely(
        &self,
        act: &Act,
        event: Event,
        transaction: Transaction,
        decided: Decided,
    ) -> Result<(), Failure> {
        self.change(act, event, transaction.only_until(decided.by))
            .await
    }

    /// A change that is not worth an audit record.
    async fn note(&self, transaction: Transaction) -> Result<Revision, Failure> {
        let transaction = self.standing.rest(transaction)?;
        Ok(self.store.commit(transaction).await?)
    }
}

impl Transaction {
    /// Only if this is as it was read.
    fn rests_on<R>(self, stored: &Stored<R>) -> Self {
        self.unchanged(&stored.key, stored.revision)
    }

    /// Only if this is as it was read, or still not there.
    fn rests_on_all_of<R>(self, key: &str, stored: Option<&Stored<R>>) -> Self {
        match stored {
            Some(stored) => self.rests_on(stored),
            None => self.absent(key),
        }
    }

    fn save(self, key: &str, record: &impl Record) -> Self {
        self.put(key, record.encode())
    }
}

/// Reads, decides and changes, again from the start while others change what it rests on.
pub(crate) async fn decide<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(Failure::Contended) => {}
            other => return other,
        }
    }
    attempt().await
}

/// Lower-case hex of random bytes: a new id for an agent or a device.
fn new_device_id() -> Result<String, Failure> {
    Ok(hex::encode(crate::act::random::<16>()?))
}
