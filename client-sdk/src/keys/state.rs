//! What minting reads and renewing writes.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use super::{
    clock::unix_now,
    health::{Failing, Health},
    snapshot::{Fetched, Snapshot},
};

/// How long a refused request waits for a new key.
const DEMAND_WAIT: Duration = Duration::from_secs(3);

pub(crate) struct State {
    snapshot: ArcSwap<Snapshot>,
    health: watch::Sender<Health>,
    /// The least round that somebody waits for.
    wanted: AtomicU64,
    pub(super) demand: Notify,
    /// Counts attempts.
    pub(super) attempts: watch::Sender<u64>,
    /// Before that, refusals lead to no fetch.
    quiet_until: Mutex<Option<Instant>>,
}

impl State {
    pub(crate) fn new(first: Fetched) -> Self {
        Self {
            health: watch::Sender::new(health_of(&first, None)),
            snapshot: ArcSwap::from_pointee(Snapshot {
                round: 1,
                brought: first,
            }),
            wanted: AtomicU64::new(0),
            demand: Notify::new(),
            attempts: watch::Sender::new(0),
            quiet_until: Mutex::new(None),
        }
    }

    pub(crate) fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    pub(crate) fn round(&self) -> u64 {
        self.snapshot().round
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Asks for a newer round than `seen`, whose key was refused. True once there is one; false where it takes too long.
    pub(crate) async fn newer_than(&self, seen: u64) -> bool {
        let mut attempts = self.attempts.subscribe(); // first, so that no attempt ends unnoticed after the check
        if self.round() > seen {
            return true;
        }
        self.want_newer_than(seen);
        if self.quiet_for() > DEMAND_WAIT {
            return false;
        }
        // One attempt may have been on its way already when this began; that is fine if it succeeds.
        let _ = timeout(DEMAND_WAIT, attempts.changed()).await;
        self.round() > seen
    }

    /// The same without waiting.
    pub(crate) fn want_newer_than(&self, seen: u64) {
        self.wanted.fetch_max(seen + 1, Ordering::AcqRel);
        self.demand.notify_one();
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.round() < self.wanted.load(Ordering::Acquire)
    }

    pub(super) fn keep_quiet(&self, gap: Duration) {
        *self.quiet() = Some(Instant::now() + gap);
    }

    pub(super) fn quiet_for(&self) -> Duration {
        let until = *self.quiet();
        until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    fn quiet(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.quiet_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, fetched: Fetched) {
        let before = self.snapshot.load();
        for (service, why) in &fetched.refused {
            let was_held = before.brought.held.contains_key(service);
            if was_held && !before.brought.refused.contains_key(service) {
                tracing::warn!(
                    service,
                    why,
                    "a key was not renewed: it is used until it ends"
                );
            }
        }
        let health = health_of(&fetched, self.health.borrow().failing.as_ref());
        if let Some(failing) = &health.failing {
            report(failing, health.keys_end);
        }
        self.snapshot.store(Arc::new(Snapshot {
            round: before.round + 1,
            brought: fetched,
        }));
        self.health.send_replace(health);
    }

    pub(super) fn failed(&self, why: String) {
        self.health.send_modify(|health| {
            let now = unix_now().unwrap_or(0);
            let failing = Failing::again(health.failing.as_ref(), why, now);
            report(&failing, health.keys_end);
            health.failing = Some(failing);
        });
    }
}

fn health_of(fetched: &Fetched, failing: Option<&Failing>) -> Health {
    let missing = fetched.missing.iter().next();
    Health {
        keys_end: fetched.first_end(),
        renewed_at: unix_now(),
        failing: missing.map(|(service, why)| {
            let why = format!("{service}: {why}");
            Failing::again(failing, why, unix_now().unwrap_or(0))
        }),
        refused: fetched.refused.clone(),
    }
}

fn report(failing: &Failing, keys_end: Option<u64>) {
    tracing::warn!(
        attempts = failing.attempts,
        why = %failing.why,
        keys_end,
        "keys could not be renewed; those held are used meanwhile"
    );
}
