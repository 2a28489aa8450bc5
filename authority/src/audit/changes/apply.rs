use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::op::{Op, json, new_op, op_key};
use super::{ChangeError, Inner};
use crate::audit::{Event, OpId, Outcome, Position};
use crate::store::{Revision, StoreError, Transaction};

/// What a change adds to its transaction: a check that it was not given up, `op/ID` and the mark.
const OWN: usize = 3;
/// How many old `op/ID` one transaction removes.
const SWEEP: usize = 8;

impl Inner {
    pub(super) async fn apply(
        &self,
        event: Event,
        transaction: Transaction,
    ) -> Result<Revision, ChangeError> {
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
            Err(e) if e.nothing_happened() => (Outcome::NotDone, Err(ChangeError::Store(e))),
            Err(source) => match self.became(op).await {
                Ok(Some(revision)) => (Outcome::SettledDone, Ok(revision)),
                Ok(None) => (Outcome::SettledNotDone, Err(ChangeError::Store(source))),
                Err(_) => return Err(ChangeError::Unknown { op, source }),
            },
        };
        let revision = result.as_ref().ok().copied();
        match self
            .audit
            .outcome(now(started), op, outcome, revision)
            .await
        {
            Ok(_) => mine.settled(outcome),
            // What the change would give out must not leave.
            Err(source) if revision.is_some() => {
                return Err(ChangeError::Unrecorded { op, source });
            }
            Err(_) => {}
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
}

/// A change whose outcome is not in the log; dropped like this, it is settled later.
pub(super) struct Unsettled<'a> {
    inner: &'a Inner,
    op: Option<OpId>,
}

impl<'a> Unsettled<'a> {
    pub(super) fn new(inner: &'a Inner, op: OpId) -> Self {
        Self {
            inner,
            op: Some(op),
        }
    }

    /// The outcome is in the log, so `op/ID` has served. Where the change was given up it stays until the next start.
    pub(super) fn settled(mut self, outcome: Outcome) {
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

fn now((time, started): (u64, Instant)) -> u64 {
    time.saturating_add(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(from: &mut Vec<OpId>, at_most: usize) -> Vec<OpId> {
    let at = from.len().saturating_sub(at_most);
    from.split_off(at)
}
