//! The one thread that writes the embedded store: what waits for the disk shares the next write.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::super::{Revision, StoreError, Transaction};
use super::feed::Feed;
use super::file::{DatabaseFile, unavailable};
use super::sessions::Sessions;
use super::write::{Decision, write};

/// A transaction, and who waits for what becomes of it.
pub(super) struct Job {
    pub(super) transaction: Transaction,
    pub(super) answer: oneshot::Sender<Result<Revision, StoreError>>,
}

/// Transactions that share a write.
const GROUP: usize = 64;

/// What the thread works on.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) file: Arc<DatabaseFile>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) feed: Arc<Feed>,
}

impl Writer {
    /// Runs until every sender is gone and the queue is empty.
    pub(super) fn run(&self, mut queue: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while let Some(job) = queue.blocking_recv() {
            group.push(job);
            while group.len() < GROUP {
                let Ok(job) = queue.try_recv() else { break };
                group.push(job);
            }
            let decided = self.write(&group);
            answer(group.drain(..), decided);
        }
    }

    fn write(&self, group: &[Job]) -> Result<Vec<Decision>, StoreError> {
        let over = self.sessions.over();
        let (decisions, published) = self.file.with(|database| {
            let transactions = group.iter().map(|job| &job.transaction);
            write(database, &over, transactions, |id| {
                self.sessions.is_live(id)
            })
        })?;
        self.sessions.forget(&over);
        self.feed.publish(published);
        Ok(decisions)
    }
}

fn answer(group: impl Iterator<Item = Job>, decided: Result<Vec<Decision>, StoreError>) {
    match decided {
        Ok(decisions) => {
            for (job, decision) in group.zip(decisions) {
                // Whoever does not wait any more does not need to know.
                let _ = job.answer.send(decision.map_err(StoreError::from));
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
