use super::apply::{Unsettled, lock};
use super::op::{OPS, Op, damaged, json, op_key};
use super::{ChangeError, Inner};
use crate::audit::{AuditError, OpId, Outcome, Position, VerifyReport};
use crate::store::{MAX_OPERATIONS, Revision, StoreError, Transaction, list_all};

impl Inner {
    /// Writes the outcomes that are missing. While this fails, nothing new is begun.
    pub(super) async fn settle(&self, now_ms: u64) -> Result<(), ChangeError> {
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
    pub(super) async fn became(&self, op: OpId) -> Result<Option<Revision>, StoreError> {
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
                Some(entry) => Ok((Op::parse(&entry)?.seq != 0).then_some(entry.revision)),
                None => Err(StoreError::Corrupt(format!("`{key}` vanished"))),
            },
            Err(e) => Err(e),
        }
    }

    /// Checks the log, and that it has what the store knows of it.
    pub(super) async fn verify(&self) -> Result<VerifyReport, ChangeError> {
        let mark = match self
            .store
            .get(&self.mark_key)
            .await
            .map_err(ChangeError::Store)?
        {
            None => None,
            Some(entry) => Some(
                serde_json::from_slice::<Position>(&entry.value)
                    .map_err(|_| ChangeError::Store(damaged(&entry.key)))?,
            ),
        };
        Ok(self.audit.verify(mark).await?)
    }

    /// Refuses a log that is not intact. Answers every `op/ID` of this authority.
    pub(super) async fn check_mark(&self) -> Result<Vec<OpId>, ChangeError> {
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
    pub(super) async fn sweep(&self, ops: &[OpId]) -> Result<(), ChangeError> {
        for some in ops.chunks(MAX_OPERATIONS) {
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

    pub(super) async fn own_ops(&self) -> Result<Vec<(OpId, Op)>, ChangeError> {
        let mut own = Vec::new();
        for entry in list_all(&*self.store, OPS)
            .await
            .map_err(ChangeError::Store)?
        {
            let found = Op::parse(&entry).map_err(ChangeError::Store)?;
            if found.authority == self.audit.authority_id() {
                let op = entry.key[OPS.len()..]
                    .parse()
                    .map_err(|_| ChangeError::Store(damaged(&entry.key)))?;
                own.push((op, found));
            }
        }
        Ok(own)
    }

    /// Stores the log's newest record if the store knows an older one.
    pub(super) async fn mark(&self) -> Result<(), ChangeError> {
        // In this order, so that a newer one is never replaced by an older one.
        let known = self
            .store
            .get(&self.mark_key)
            .await
            .map_err(ChangeError::Store)?;
        let mark = json(&self.audit.head());
        let transaction = match known {
            Some(known) if known.value == mark => return Ok(()),
            Some(known) => Transaction::new().unchanged(&self.mark_key, known.revision),
            None => Transaction::new().absent(&self.mark_key),
        };
        match self
            .store
            .commit(transaction.put(&self.mark_key, mark))
            .await
        {
            // A change has just stored a newer one.
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(e) => Err(ChangeError::Store(e)),
        }
    }
}
