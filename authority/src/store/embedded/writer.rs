//! The one thread that writes the embedded store: transactions that wait are checked one after the other, and written together.

use redb::{Database, ReadableTable as _};
use tokio::sync::{mpsc, oneshot};

use super::super::{Operation, Revision, StoreError, Transaction};
use super::file::{DatabaseFile, ENTRIES, NUMBERS, REVISION, unavailable};

/// A transaction, and who waits for what becomes of it.
pub(super) struct Job {
    pub(super) transaction: Transaction,
    pub(super) answer: oneshot::Sender<Result<Revision, StoreError>>,
}

/// What the checks of one transaction said. Told once everything before it is on the disk.
type Decision = Result<Revision, String>;

/// Transactions that share a write.
const GROUP: usize = 64;

/// Runs until every sender is gone and the queue is empty.
pub(super) fn run(file: &DatabaseFile, mut queue: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(job) = queue.blocking_recv() {
        group.push(job);
        while group.len() < GROUP {
            let Ok(job) = queue.try_recv() else { break };
            group.push(job);
        }
        let decided = file.with(|database| write(database, &group));
        answer(group.drain(..), decided);
    }
}

fn answer(group: impl Iterator<Item = Job>, decided: Result<Vec<Decision>, StoreError>) {
    match decided {
        Ok(decisions) => {
            for (job, decision) in group.zip(decisions) {
                // Whoever does not wait any more does not need to know.
                let _ = job
                    .answer
                    .send(decision.map_err(|key| StoreError::Conflict { key }));
            }
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot write the store"
            );
            let why = match &error {
                StoreError::Unavailable(source) => source.to_string(),
                other => other.to_string(),
            };
            for job in group {
                let _ = job.answer.send(Err(unavailable(why.as_str())));
            }
        }
    }
}

fn write(database: &Database, group: &[Job]) -> Result<Vec<Decision>, redb::Error> {
    let write = database.begin_write()?;
    let mut decisions = Vec::with_capacity(group.len());
    {
        let mut entries = write.open_table(ENTRIES)?;
        let mut numbers = write.open_table(NUMBERS)?;
        let before = numbers
            .get(REVISION)?
            .map_or(0, |revision| revision.value());
        let mut revision = before;
        for Job { transaction, .. } in group {
            let mut conflict = None;
            for check in transaction.checks() {
                let found = entries.get(check.key())?.map(|found| found.value().0);
                if !check.holds(found) {
                    conflict = Some(check.key().to_owned());
                    break;
                }
            }
            if let Some(key) = conflict {
                decisions.push(Err(key));
                continue;
            }
            if !transaction.operations().is_empty() {
                revision += 1;
            }
            for operation in transaction.operations() {
                match operation {
                    Operation::Put(key, value) => {
                        entries.insert(key.as_str(), (revision, value.as_slice()))?;
                    }
                    Operation::Delete(key) => {
                        entries.remove(key.as_str())?;
                    }
                }
            }
            decisions.push(Ok(revision));
        }
        if revision != before {
            numbers.insert(REVISION, revision)?;
        }
    }
    write.commit()?;
    Ok(decisions)
}
