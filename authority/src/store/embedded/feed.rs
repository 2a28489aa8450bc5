//! The last changes of the embedded store, for whoever watches it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::async_trait;

use super::super::{Change, Changes, Revision, WatchError, WatchSource};
use super::ENDED;
use super::file::unavailable;

/// Transactions that are kept, and bytes of keys and values in them: a watch that falls behind lists anew.
const KEPT: usize = 4096;
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Remembers the last changes.
pub(super) struct Feed {
    ring: Mutex<Ring>,
    newest: watch::Sender<Revision>,
}

struct Ring {
    /// All changes up to this one are forgotten.
    floor: Revision,
    kept: VecDeque<(Changes, usize)>,
    bytes: usize,
}

impl Feed {
    /// Of a store whose last revision is this.
    pub(super) fn new(revision: Revision) -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::new(Ring {
                floor: revision,
                kept: VecDeque::new(),
                bytes: 0,
            }),
            newest: watch::Sender::new(revision),
        })
    }

    /// Takes what is on the disk, in the order in which it happened.
    pub(super) fn publish(&self, all: Vec<Changes>) {
        let Some(newest) = all.last().map(|last| last.revision) else {
            return;
        };
        let mut ring = self.ring();
        for changes in all {
            let size = changes.changes.iter().map(size).sum();
            ring.bytes += size;
            ring.kept.push_back((changes, size));
        }
        while ring.kept.len() > KEPT || ring.bytes > KEPT_BYTES {
            let Some((changes, size)) = ring.kept.pop_front() else {
                break;
            };
            ring.floor = changes.revision;
            ring.bytes -= size;
        }
        drop(ring);
        self.newest.send_replace(newest);
    }

    /// What changed below `prefix` after a revision, if anything, and up to where that is known.
    fn next(&self, prefix: &str, after: Revision) -> Result<(Option<Changes>, Revision), ()> {
        let ring = self.ring();
        if after < ring.floor {
            return Err(());
        }
        let from = ring
            .kept
            .partition_point(|(changes, _)| changes.revision <= after);
        let mut seen = after;
        for (changes, _) in ring.kept.range(from..) {
            seen = changes.revision;
            let wanted = |change: &&Change| change.key().starts_with(prefix);
            let below: Vec<Change> = changes.changes.iter().filter(wanted).cloned().collect();
            if !below.is_empty() {
                let changes = Changes {
                    revision: seen,
                    changes: below,
                };
                return Ok((Some(changes), seen));
            }
        }
        Ok((None, seen))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(change: &Change) -> usize {
    match change {
        Change::Put(entry) => entry.key.len() + entry.value.len(),
        Change::Deleted { key } => key.len(),
    }
}

/// A watch of the embedded store.
pub(super) struct Follower {
    feed: Arc<Feed>,
    newest: watch::Receiver<Revision>,
    ended: CancellationToken,
    prefix: String,
    after: Revision,
}

impl Follower {
    pub(super) fn new(
        feed: Arc<Feed>,
        ended: CancellationToken,
        prefix: &str,
        after: Revision,
    ) -> Self {
        Self {
            newest: feed.newest.subscribe(),
            feed,
            ended,
            prefix: prefix.to_owned(),
            after,
        }
    }
}

#[async_trait]
impl WatchSource for Follower {
    async fn next(&mut self) -> Result<Changes, WatchError> {
        loop {
            self.newest.mark_unchanged();
            let found = self.feed.next(&self.prefix, self.after);
            let (changes, seen) = found.map_err(|()| WatchError::Compacted)?;
            self.after = seen;
            if let Some(changes) = changes {
                return Ok(changes);
            }
            tokio::select! {
                _ = self.newest.changed() => {}
                () = self.ended.cancelled() => return Err(WatchError::Lost(unavailable(ENDED))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(revision: Revision, key: &str) -> Changes {
        Changes {
            revision,
            changes: vec![Change::Deleted { key: key.into() }],
        }
    }

    #[tokio::test]
    async fn a_watch_that_falls_too_far_behind_is_told_so() {
        let feed = Feed::new(7);
        let watch = |after| Follower::new(feed.clone(), CancellationToken::new(), "a", after);
        let error = watch(6).next().await;
        assert!(matches!(error, Err(WatchError::Compacted)));
        let mut slow = watch(7);
        feed.publish(vec![changes(8, "a"), changes(9, "b")]);
        assert_eq!(slow.next().await.unwrap(), changes(8, "a"));
        let last = 8 + KEPT as u64;
        feed.publish((10..=last).map(|revision| changes(revision, "a")).collect());
        assert_eq!(slow.next().await.unwrap(), changes(10, "a"));
        feed.publish(vec![
            changes(last + 1, "a"),
            changes(last + 2, "a"),
            changes(last + 3, "a"),
        ]);
        assert!(matches!(slow.next().await, Err(WatchError::Compacted)));
        assert_eq!(watch(11).next().await.unwrap(), changes(12, "a"));
    }

    #[tokio::test]
    async fn a_store_that_ended_is_lost_to_its_watches() {
        let ended = CancellationToken::new();
        let mut watch = Follower::new(Feed::new(0), ended.clone(), "", 0);
        ended.cancel();
        assert!(matches!(watch.next().await, Err(WatchError::Lost(_))));
    }
}
