//! A copy of a part of the store in memory, that knows how old it is.

mod copy;
mod follow;
mod progress;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{BootTime, Entry, Revision, Store};
use follow::Follower;

/// How often a mirror asks the store whether it has seen everything, unless told otherwise.
pub const MIRROR_PERIOD: Duration = Duration::from_secs(1);

/// The entries of some prefixes, all as they were at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// By key. What does not change is shared from view to view.
    pub entries: Arc<BTreeMap<String, Arc<Entry>>>,
    /// The revision of the last change of one of them, or at which they were listed. 0 before the first listing.
    pub revision: Revision,
}

impl View {
    /// The entry at a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key).map(|entry| &**entry)
    }

    /// The entries whose keys begin with `prefix`, in the order of the keys' bytes.
    pub fn below<'v>(&'v self, prefix: &'v str) -> impl Iterator<Item = &'v Entry> {
        let from = self
            .entries
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(_, entry)| &**entry)
            .take_while(move |entry| entry.key.starts_with(prefix))
    }
}

/// Follows the store, and keeps the latest [`View`] of it.
///
/// It watches, and does not take the watch's word for it: once a period it reads one key, the *beat*, which every transaction
/// that concerns the mirror changes too. When it has seen the change that the read found, its view is *confirmed* as of the
/// moment when the read was sent: nothing that happened before is missing. A watch that does not tell of that change is
/// given up, and everything is listed anew, as it is when the store has forgotten changes.
///
/// While the store cannot be reached, the last view stays, and its confirmation ages. Entries that vanish with a
/// [session](super::Session) change no beat, so a confirmation does not speak of them.
pub struct Mirror {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What the mirror and its task have in common.
struct Shared {
    views: watch::Sender<Arc<View>>,
    /// The last revision that was seen, of whatever changed.
    seen: watch::Sender<Revision>,
    confirmed: watch::Sender<Confirmed>,
    /// Reads of the beat that were begun.
    begun: AtomicU64,
    /// Somebody waits for a new one.
    wanted: Notify,
}

#[derive(Clone, Copy, Default)]
struct Confirmed {
    at: Option<BootTime>,
    /// By which read of the beat.
    read: u64,
}

impl Mirror {
    /// Follows `prefixes` of a store. Every transaction that changes something below them has to change the key `beat`, and
    /// nothing ever removes that.
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        prefixes: Vec<String>,
        beat: String,
        period: Duration,
    ) -> Self {
        let shared = Arc::new(Shared {
            views: watch::Sender::default(),
            seen: watch::Sender::default(),
            confirmed: watch::Sender::default(),
            begun: AtomicU64::new(0),
            wanted: Notify::new(),
        });
        let follower = Follower::new(store, prefixes, beat, period, shared.clone());
        Self {
            shared,
            task: tokio::spawn(follower.run()).abort_handle(),
        }
    }

    /// The latest view, however old. Empty before the first listing.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.shared.views.borrow().clone()
    }

    /// Tells of each new view.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.shared.views.subscribe()
    }

    /// As of when the latest view is confirmed.
    #[must_use]
    pub fn confirmed_at(&self) -> Option<BootTime> {
        self.shared.confirmed.borrow().at
    }

    /// The latest view, if it is confirmed as of a moment that is no longer ago than `age`.
    #[must_use]
    pub fn confirmed_within(&self, age: Duration) -> Option<Arc<View>> {
        // The confirmation first: the view that is there afterwards is as new or newer.
        let at = self.confirmed_at()?;
        (at.elapsed() <= age).then(|| self.view())
    }

    /// Waits for a view that has everything up to a revision, such as one that a commit answered.
    pub async fn at_least(&self, revision: Revision) -> Arc<View> {
        let mut seen = self.shared.seen.subscribe();
        // The sender lives as long as this mirror.
        let _ = seen.wait_for(|seen| *seen >= revision).await;
        self.view()
    }

    /// A view that has everything that happened before this call, or `None` if that cannot be had within the time. Callers at
    /// the same time share a read.
    pub async fn fresh(&self, within: Duration) -> Option<Arc<View>> {
        let begun = self.shared.begun.load(Ordering::SeqCst);
        let mut confirmed = self.shared.confirmed.subscribe();
        self.shared.wanted.notify_one();
        let newer = confirmed.wait_for(|confirmed| confirmed.read > begun);
        timeout(within, newer).await.ok()?.ok()?;
        Some(self.view())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}
