//! How far a copy has come, and what that proves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::{BootTime, Changes, Entry, Revision, StoreError};
use super::copy::Copy;
use super::follow::Anew;
use super::{Confirmed, Shared};
use crate::failure::chain;

/// A read of the beat.
pub(super) struct Read {
    /// Reads are counted as they begin.
    pub(super) number: u64,
    pub(super) sent: BootTime,
    pub(super) answer: Result<Option<Entry>, StoreError>,
}

/// A read that found a change which the copy may not have yet.
struct Awaited {
    number: u64,
    sent: BootTime,
    beat: Revision,
}

/// A copy since its listing.
pub(super) struct Progress {
    copy: Copy,
    shared: Arc<Shared>,
    /// The copy is no view before a read that came after the listing is confirmed: until then one page may be newer than
    /// another.
    complete: bool,
    awaited: VecDeque<Awaited>,
    newest: Revision,
    /// When the watch last told something, or began to owe it.
    told: Instant,
}

impl Progress {
    pub(super) fn new(copy: Copy, shared: Arc<Shared>) -> Self {
        Self {
            copy,
            shared,
            complete: false,
            awaited: VecDeque::new(),
            newest: 0,
            told: Instant::now(),
        }
    }

    /// Takes what the watch told. Whether the view changes.
    pub(super) fn apply(&mut self, changes: Changes) -> bool {
        self.told = Instant::now();
        self.copy.apply(changes)
    }

    /// Makes a view of it.
    pub(super) fn applied(&mut self, changed: bool) {
        if self.complete {
            self.publish(changed);
        }
        self.settle();
    }

    /// Takes what a read found.
    pub(super) fn read(&mut self, read: Read) -> Result<(), Anew> {
        let beat = match read.answer {
            Ok(found) => found.map_or(0, |entry| entry.revision),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "cannot read the beat");
                return Ok(());
            }
        };
        if beat < self.newest {
            return Err(Anew::WentBack {
                from: self.newest,
                to: beat,
            });
        }
        self.newest = beat;
        if self.awaited.is_empty() {
            self.told = Instant::now();
        }
        self.awaited.push_back(Awaited {
            number: read.number,
            sent: read.sent,
            beat,
        });
        self.settle();
        Ok(())
    }

    /// From when on a watch that tells nothing is dead, if it owes something.
    pub(super) fn deaf_after(&self, patience: Duration) -> Option<Instant> {
        (!self.awaited.is_empty()).then(|| self.told + patience)
    }

    /// Confirms the reads whose changes the copy has.
    fn settle(&mut self) {
        let seen = self.copy.seen();
        let settled = self.awaited.partition_point(|read| read.beat <= seen);
        let Some(last) = self.awaited.drain(..settled).next_back() else {
            return;
        };
        if !self.complete {
            self.complete = true;
            self.publish(true);
        }
        self.shared.confirmed.send_replace(Confirmed {
            at: Some(last.sent),
            read: last.number,
        });
    }

    fn publish(&self, changed: bool) {
        if changed {
            self.shared.views.send_replace(self.copy.view());
        }
        self.shared.seen.send_replace(self.copy.seen());
    }
}
