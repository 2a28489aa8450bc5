//! What agents hear of: the counter that every such change raises, so that what they hold is a place in it.

use tokio::sync::OwnedMutexGuard;

use super::{Registry, Stored};
use crate::failure::Failure;
use crate::records::{FeedRecord, key};
use crate::store::Transaction;

/// The counter as it was read, and so the number of the change that is being made. Until it is dropped, nobody else in this authority makes
/// one, so that many who come at once wait for one another and do not compete.
pub(super) struct Feed {
    read: Stored<FeedRecord>,
    _turn: OwnedMutexGuard<()>,
}

impl Feed {
    /// The number of the change that is being made.
    pub(super) fn next(&self) -> u64 {
        self.read.record.sequence.saturating_add(1)
    }

    /// Of something about one or all services.
    pub(super) fn raise(&self, transaction: Transaction) -> Transaction {
        self.raise_and_await(transaction, false)
    }

    /// Of the addresses or the trust bundle.
    pub(super) fn raise_for_cluster(&self, transaction: Transaction) -> Transaction {
        self.save(
            transaction,
            &FeedRecord {
                sequence: self.next(),
                cluster_changed: self.next(),
                ..self.read.record.clone()
            },
        )
    }

    /// Of something about all services, which somebody waits for with `wait`.
    pub(super) fn raise_and_await(&self, transaction: Transaction, wait: bool) -> Transaction {
        let record = &self.read.record;
        let awaited = match wait {
            true => self.next(),
            false => record.awaited,
        };
        self.save(
            transaction,
            &FeedRecord {
                sequence: self.next(),
                awaited,
                ..record.clone()
            },
        )
    }

    /// Of nothing: somebody waits for a change that was made. `None` if somebody does already.
    pub(super) fn awaiting(&self, changed: u64) -> Option<Transaction> {
        let record = &self.read.record;
        let awaited = changed.min(record.sequence);
        (awaited > record.awaited).then(|| {
            self.save(
                Transaction::new(),
                &FeedRecord {
                    awaited,
                    ..record.clone()
                },
            )
        })
    }

    fn save(&self, transaction: Transaction, record: &FeedRecord) -> Transaction {
        transaction.rests_on(&self.read).save(key::FEED, record)
    }
}

impl Registry {
    pub(super) async fn feed(&self) -> Result<Feed, Failure> {
        let turn = self.feed_turn.clone().lock_owned().await;
        let feed = self.get(key::FEED).await?;
        feed.map(|read| Feed { read, _turn: turn })
            .ok_or(Failure::Broken("the store counts no changes"))
    }
}
