use super::apply::{Unsettled, lock};
use super::op::{MARKS, OPS, Op, damaged, json, op_key};
use super::{ChangeError, Inner, OldSign, StorePlace, seen};
use crate::audit::event::INCARNATION_ENTERED;
use crate::audit::{Action, AuditError, Event, OpId, Outcome, Position, VerifyReport};
use crate::store::{MAX_OPERATIONS, Revision, StoreError, Transaction, list_all};

/// A log and a store that go together.
pub(super) struct Checked {
    /// Every `op/ID` of this authority.
    pub(super) ops: Vec<OpId>,
    /// The last that the log knows.
    pub(super) incarnation: u64,
}

impl Inner {
    /// Writes the outcomes that are missing. While this fails, nothing new is begun.
    pub(super) async fn settle(&self, now_ms: u64) -> Result<(), ChangeError> {
        loop {
            let Some(op) = lock(&self.unsettled).pop() else {
                return Ok(());
            };
            let mine = Unsettled::new(self, op);
            let revision = self.became(op).await.map_err(ChangeError::Store)?;
            let outcome = match revision {
                Some(_) => Outcome::SettledDone,
                None => Outcome::SettledNotDone,
            };
            self.audit.outcome(now_ms, op, outcome, revision).await?;
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
        let mark = self.known_mark().await?.map(|(mark, _)| mark);
        Ok(self.audit.verify(mark).await?)
    }

    /// The mark in the store, and its revision.
    async fn known_mark(&self) -> Result<Option<(Position, Revision)>, ChangeError> {
        let entry = self.store.get(&self.mark_key).await;
        let Some(entry) = entry.map_err(ChangeError::Store)? else {
            return Ok(None);
        };
        let mark = serde_json::from_slice(&entry.value)
            .map_err(|_| ChangeError::Store(damaged(&entry.key)))?;
        Ok(Some((mark, entry.revision)))
    }

    /// Notes that the store was restored, where the log does not know yet: what it says from there on is of the new one.
    pub(super) async fn enter(&self, now_ms: u64, known: u64) -> Result<(), ChangeError> {
        if known >= self.incarnation {
            return Ok(());
        }
        let (_, subject) = INCARNATION_ENTERED;
        let event = Event::new(
            now_ms,
            "",
            format!("authority/{}", self.audit.authority_id()),
            Action::IncarnationEntered,
            format!("{subject}{}", self.incarnation),
        );
        self.audit.append(event).await?;
        Ok(())
    }

    /// Refuses a log that is not intact, and a store that is older.
    pub(super) async fn check_mark(&self) -> Result<Checked, ChangeError> {
        let broken = |problem| AuditError::Broken {
            path: self.audit.path().to_owned(),
            problem,
        };
        let mark = self.known_mark().await?.map(|(mark, _)| mark);
        let report = self.audit.verify(mark).await?;
        if let Some(problem) = report.problem {
            return Err(broken(problem).into());
        }
        let old = |sign| ChangeError::OldStore {
            path: self.audit.path().to_owned(),
            sign,
        };
        let now = self.store.commit(Transaction::new()).await;
        let now = now.map_err(ChangeError::Store)?;
        let store = StorePlace {
            incarnation: self.incarnation,
            revision: self.found.get().copied().unwrap_or(now),
        };
        let mut log = StorePlace {
            incarnation: report.incarnation,
            revision: report.revision,
        };
        // Whoever moved the log away begins anew.
        if let Some(seen) = seen::read(&seen::path(self.audit.path()))
            && report.records > 0
        {
            log = log.max(seen);
        }
        if store < log {
            return Err(old(OldSign::Place { store, log }));
        }
        // The newest transaction of this authority stored a mark that is no older than its own intent.
        let (change, mark) = (report.newest_change, mark.map_or(0, |mark| mark.seq));
        if report.incarnation == self.incarnation && mark < change {
            return Err(old(OldSign::Change { change, mark }));
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
        Ok(Checked {
            ops: ops.into_iter().map(|(op, _)| op).collect(),
            incarnation: report.incarnation,
        })
    }

    /// Refuses a store whose log is another authority's: nobody would check that one.
    pub(super) async fn expect_alone(&self) -> Result<(), ChangeError> {
        let marks = self.store.list(MARKS, None, 2).await;
        let marks = marks.map_err(ChangeError::Store)?;
        match marks.entries.iter().find(|mark| mark.key != self.mark_key) {
            None => Ok(()),
            Some(mark) => Err(ChangeError::OtherAuthority {
                found: self.audit.authority_id().to_owned(),
                store: mark.key[MARKS.len()..].to_owned(),
            }),
        }
    }

    /// Removes each `op/ID` of an earlier run, and stores the mark, which does their service from then on. Those that were
    /// given up in this run stay: a request may still be on its way.
    pub(super) async fn sweep(&self, ops: &[OpId]) -> Result<(), ChangeError> {
        for some in ops.chunks(MAX_OPERATIONS - 1) {
            let marked = Transaction::new().put(&self.mark_key, json(&self.audit.head()));
            let transaction = some
                .iter()
                .fold(marked, |transaction, op| transaction.delete(op_key(*op)));
            self.store
                .commit(transaction)
                .await
                .map_err(ChangeError::Store)?;
        }
        lock(&self.settled).retain(|op| !ops.contains(op));
        Ok(())
    }

    /// Notes how far the store has come.
    pub(super) async fn see(&self) -> Result<(), ChangeError> {
        let revision = self.store.commit(Transaction::new()).await;
        let place = StorePlace {
            incarnation: self.incarnation,
            revision: revision.map_err(ChangeError::Store)?,
        };
        let path = seen::path(self.audit.path());
        let written = tokio::task::spawn_blocking(move || seen::write(&path, place)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "cannot note how far the store has come");
        }
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

    /// Stores the log's newest record if the store knows an older one. A change that is under way can store an older one over
    /// it, so it looks again until nobody did.
    pub(super) async fn mark(&self) -> Result<(), ChangeError> {
        let head = self.audit.head();
        loop {
            let transaction = match self.known_mark().await? {
                Some((mark, _)) if mark.seq >= head.seq => return Ok(()),
                Some((_, revision)) => Transaction::new().unchanged(&self.mark_key, revision),
                None => Transaction::new().absent(&self.mark_key),
            };
            let transaction = transaction.put(&self.mark_key, json(&head));
            match self.store.commit(transaction).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(e) => return Err(ChangeError::Store(e)),
            }
        }
    }
}
