use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Action, Audit, AuditError, Event, Intent, OpId, Outcome, Position, VerifyReport};
use crate::records::Hex;
use crate::store::{Entry, Revision, Store, StoreError, Transaction, list_all};

/// Makes changes of the store that are in the audit log: all of them go through here. Clones share everything.
///
/// A change is an intent in the log, then a transaction that also leaves `op/ID` in the store, then an outcome in the log. So
/// after a crash `op/ID` tells what became of an intent without an outcome. Each transaction also stores the log's newest
/// record at `audit/AUTHORITY`: a log that ends before it was cut off.
#[derive(Clone)]
pub struct Changes {
    inner: Arc<Inner>,
}

/// Why a change did not happen, or is not known to have happened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// Somebody else changed what it rests on. It did not happen: read again, decide again.
    #[error("`{key}` was changed by someone else in the meantime")]
    Conflict {
        /// The first key whose check did not hold.
        key: String,
    },

    /// The audit log cannot be written. It did not happen.
    #[error(transparent)]
    Audit(#[from] AuditError),

    /// The store refused it, or could not be asked. It did not happen.
    #[error(transparent)]
    Store(StoreError),

    /// The store did not answer, so it may have happened or not. It is settled as soon as the store answers again.
    #[error("it is not known whether operation {op} happened; look before trying again")]
    Unknown {
        /// The operation's id, as in the audit log.
        op: OpId,
        /// What the store answered.
        #[source]
        source: StoreError,
    },
}

struct Inner {
    store: Arc<dyn Store>,
    audit: Audit,
    mark_key: String,
    /// Changes whose outcome is not in the log yet.
    unsettled: Mutex<Vec<OpId>>,
    /// Changes whose outcome is in the log: their `op/ID` goes with the next transaction.
    settled: Mutex<Vec<OpId>>,
}

/// What lies at `op/ID`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Op {
    authority: String,
    /// The intent's record; 0 for a change that must not happen any more.
    seq: u64,
}

const OPS: &str = "op/";
/// What a change adds to its transaction: a check that it was not given up, `op/ID` and the mark.
const OWN: usize = 3;
/// How many old `op/ID` one transaction removes.
const SWEEP: usize = 8;

impl Changes {
    /// For one authority. `dangling` is what [`Audit::open`] answered. Call [`Changes::settle`] next.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, audit: Audit, dangling: Vec<Intent>) -> Self {
        let inner = Inner {
            store,
            mark_key: format!("audit/{}", audit.authority_id()),
            audit,
            unsettled: Mutex::new(dangling.into_iter().map(|intent| intent.op).collect()),
            settled: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The log.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.inner.audit
    }

    /// Finds out what became of changes that a crash cut off, and that the log goes as far as the store says. Once, at start,
    /// before any change. `now_ms`: Unix milliseconds.
    ///
    /// # Errors
    ///
    /// [`AuditError::Broken`] when the end of the log is missing, or the store or the log cannot be used.
    pub async fn settle(&self, now_ms: u64) -> Result<(), ChangeError> {
        let old = self.inner.check_mark().await?;
        self.inner.settle(now_ms).await?;
        self.inner.sweep(&old).await
    }

    /// As [`Changes::settle`], for an operator who accepts that records are lost: recorded, with what the store knew of them.
    ///
    /// # Errors
    ///
    /// The store or the log cannot be used.
    pub async fn settle_accepting_loss(&self, now_ms: u64) -> Result<(), ChangeError> {
        let Err(lost) = self.inner.check_mark().await else {
            return self.settle(now_ms).await;
        };
        let ChangeError::Audit(AuditError::Broken { problem, .. }) = lost else {
            return Err(lost);
        };
        let old: Vec<OpId> = self
            .inner
            .own_ops()
            .await?
            .into_iter()
            .map(|(op, _)| op)
            .collect();
        let authority = format!("authority/{}", self.inner.audit.authority_id());
        let event = Event::new(
            now_ms,
            "",
            &authority,
            Action::AuditLossAccepted,
            &authority,
        )
        .field("problem", problem);
        self.apply(event, Transaction::new()).await?;
        self.inner.sweep(&old).await
    }

    /// Checks the log from its first record to its last, and that it goes as far as the store says. Changes that are under way
    /// count as dangling.
    ///
    /// # Errors
    ///
    /// The store or the log cannot be read.
    pub async fn verify(&self) -> Result<VerifyReport, ChangeError> {
        self.inner.verify().await
    }

    /// Makes a change. Goes on to its end when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]; but for [`ChangeError::Unknown`], nothing happened.
    pub async fn apply(
        &self,
        event: Event,
        transaction: Transaction,
    ) -> Result<Revision, ChangeError> {
        let inner = self.inner.clone();
        tokio::spawn(async move { inner.apply(event, transaction).await })
            .await
            .map_err(|_| AuditError::Closed)?
    }
}

impl Inner {
    async fn apply(&self, event: Event, transaction: Transaction) -> Result<Revision, ChangeError> {
        transaction.validate().map_err(ChangeError::Store)?;
        if transaction.room() < OWN {
            return Err(ChangeError::Store(StoreError::Invalid(
                "it leaves no room for the audit log's own entries",
            )));
        }
        let started = (event.time, Instant::now());
        self.settle(now(started)).await?;

        let op = new_op()?;
        let intent = self.audit.intent(op, event).await?;
        let mine = Unsettled::new(self, op);
        let swept = take(
            &mut lock(&self.settled),
            SWEEP.min(transaction.room() - OWN),
        );
        let result = self
            .store
            .commit(self.with_op(transaction, op, intent, &swept))
            .await;
        if result.is_err() {
            lock(&self.settled).extend(swept);
        }
        let (outcome, result) = match result {
            Ok(revision) => (Outcome::Done, Ok(revision)),
            Err(StoreError::Conflict { key }) => {
                (Outcome::NotDone, Err(ChangeError::Conflict { key }))
            }
            Err(e @ (StoreError::TooLarge { .. } | StoreError::Invalid(_))) => {
                (Outcome::NotDone, Err(ChangeError::Store(e)))
            }
            Err(source) => match self.became(op).await {
                Ok(Some(revision)) => (Outcome::SettledDone, Ok(revision)),
                Ok(None) => (Outcome::SettledNotDone, Err(ChangeError::Store(source))),
                Err(_) => return Err(ChangeError::Unknown { op, source }),
            },
        };
        if self.audit.outcome(now(started), op, outcome).await.is_ok() {
            mine.settled(outcome);
        }
        result
    }

    fn with_op(
        &self,
        transaction: Transaction,
        op: OpId,
        intent: Position,
        swept: &[OpId],
    ) -> Transaction {
        let value = Op {
            authority: self.audit.authority_id().to_owned(),
            seq: intent.seq,
        };
        let transaction = transaction
            .absent(op_key(op))
            .put(op_key(op), json(&value))
            .put(&self.mark_key, json(&self.audit.head()));
        swept.iter().fold(transaction, |transaction, op| {
            transaction.delete(op_key(*op))
        })
    }

    /// Writes the outcomes that are missing. While this fails, nothing new is begun.
    async fn settle(&self, now_ms: u64) -> Result<(), ChangeError> {
        loop {
            let Some(op) = lock(&self.unsettled).pop() else {
                return Ok(());
            };
            let mine = Unsettled::new(self, op);
            let outcome = match self.became(op).await.map_err(ChangeError::Store)? {
                Some(_) => Outcome::SettledDone,
                None => Outcome::SettledNotDone,
            };
            self.audit.outcome(now_ms, op, outcome).await?;
            mine.settled(outcome);
        }
    }

    /// The revision at which a change happened, or `None`, and then it never will: a transaction that is still on its way to the
    /// store would find `op/ID` taken.
    async fn became(&self, op: OpId) -> Result<Option<Revision>, StoreError> {
        let never = Op {
            authority: self.audit.authority_id().to_owned(),
            seq: 0,
        };
        let key = op_key(op);
        match self
            .store
            .commit(Transaction::new().absent(&key).put(&key, json(&never)))
            .await
        {
            Ok(_) => Ok(None),
            Err(StoreError::Conflict { .. }) => match self.store.get(&key).await? {
                Some(entry) => Ok((parse(&entry)?.seq != 0).then_some(entry.revision)),
                None => Err(StoreError::Corrupt(format!("`{key}` vanished"))),
            },
            Err(e) => Err(e),
        }
    }

    /// Checks the log, and that it has what the store knows of it.
    async fn verify(&self) -> Result<VerifyReport, ChangeError> {
        let mark = match self
            .store
            .get(&self.mark_key)
            .await
            .map_err(ChangeError::Store)?
        {
            None => None,
            Some(entry) => Some(
                serde_json::from_slice::<Position>(&entry.value)
                    .map_err(|_| damaged(&entry.key))?,
            ),
        };
        Ok(self.audit.verify(mark).await?)
    }

    /// Refuses a log that is not intact. Answers every `op/ID` of this authority.
    async fn check_mark(&self) -> Result<Vec<OpId>, ChangeError> {
        let broken = |problem| AuditError::Broken {
            path: self.audit.path().to_owned(),
            problem,
        };
        if let Some(problem) = self.verify().await?.problem {
            return Err(broken(problem).into());
        }
        let head = self.audit.head().seq;
        let ops = self.own_ops().await?;
        for (op, found) in &ops {
            if found.seq > head {
                return Err(broken(format!(
                    "it ends at record {head}, but the store has operation {op} of record {}",
                    found.seq
                ))
                .into());
            }
        }
        Ok(ops.into_iter().map(|(op, _)| op).collect())
    }

    /// Removes each `op/ID` of an earlier run. Those that were given up in this run stay: a request may still be on its way.
    async fn sweep(&self, ops: &[OpId]) -> Result<(), ChangeError> {
        for some in ops.chunks(crate::store::MAX_OPERATIONS) {
            let transaction = some.iter().fold(Transaction::new(), |transaction, op| {
                transaction.delete(op_key(*op))
            });
            self.store
                .commit(transaction)
                .await
                .map_err(ChangeError::Store)?;
        }
        lock(&self.settled).retain(|op| !ops.contains(op));
        Ok(())
    }

    async fn own_ops(&self) -> Result<Vec<(OpId, Op)>, ChangeError> {
        let mut own = Vec::new();
        for entry in list_all(&*self.store, OPS)
            .await
            .map_err(ChangeError::Store)?
        {
            let found = parse(&entry).map_err(ChangeError::Store)?;
            if found.authority == self.audit.authority_id() {
                let op = entry.key[OPS.len()..]
                    .parse()
                    .map_err(|_| damaged(&entry.key))?;
                own.push((op, found));
            }
        }
        Ok(own)
    }
}

/// A change whose outcome is not in the log; dropped like this, it is settled later.
struct Unsettled<'a> {
    inner: &'a Inner,
    op: Option<OpId>,
}

impl<'a> Unsettled<'a> {
    fn new(inner: &'a Inner, op: OpId) -> Self {
        Self {
            inner,
            op: Some(op),
        }
    }

    /// The outcome is in the log, so `op/ID` has served. Where the change was given up it stays until the next start.
    fn settled(mut self, outcome: Outcome) {
        if let (Some(op), Outcome::Done | Outcome::SettledDone) = (self.op.take(), outcome) {
            lock(&self.inner.settled).push(op);
        }
    }
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        if let Some(op) = self.op.take() {
            lock(&self.inner.unsettled).push(op);
        }
    }
}

fn new_op() -> Result<OpId, AuditError> {
    let mut op = [0; 16];
    getrandom::fill(&mut op).map_err(AuditError::Random)?;
    Ok(Hex(op))
}

fn op_key(op: OpId) -> String {
    format!("{OPS}{op}")
}

fn parse(entry: &Entry) -> Result<Op, StoreError> {
    serde_json::from_slice(&entry.value)
        .map_err(|_| StoreError::Corrupt(format!("`{}` cannot be read", entry.key)))
}

fn damaged(key: &str) -> ChangeError {
    ChangeError::Store(StoreError::Corrupt(format!("`{key}` cannot be read")))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Only a map whose keys are no strings fails to become JSON.
    serde_json::to_vec(value).unwrap_or_default()
}

fn now((time, started): (u64, Instant)) -> u64 {
    time.saturating_add(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(from: &mut Vec<OpId>, at_most: usize) -> Vec<OpId> {
    let at = from.len().saturating_sub(at_most);
    from.split_off(at)
}
