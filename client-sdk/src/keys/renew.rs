//! Renewing: at half of the keys' life, with jitter, or soon after somebody's token was refused for its key.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    snapshot::{Fetched, Held, Snapshot},
    source::unix_now,
};

/// Refusals of many requests at once become one fetch, which many clients do not make in the same moment.
const DEMAND_JITTER: Duration = Duration::from_millis(200);
/// Least time between two fetches that refusals ask for: a key that stays refused must not load the authority.
const DEMAND_GAP: Duration = Duration::from_secs(5);
/// How long a refused request waits for a new key.
const DEMAND_WAIT: Duration = Duration::from_secs(3);
/// When to ask again where no grant allows anything.
const NOTHING_HELD: Duration = Duration::from_secs(60);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// How a client is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// When the first key ends, Unix seconds; `None` where there is none. Renewing begins at half of the time.
    pub keys_end: Option<u64>,
    /// When keys last came, Unix seconds.
    pub renewed_at: Option<u64>,
    /// Set while renewing fails. What is held is good until `keys_end`.
    pub failing: Option<Failing>,
}

/// How renewing fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failing {
    /// Since when, Unix seconds.
    pub since: u64,
    /// How often by now.
    pub attempts: u32,
    /// The last failure, a line for people.
    pub why: String,
}

/// What fetches.
pub(crate) trait Fetch: Send + Sync + 'static {
    fn fetch(&self) -> impl Future<Output = Result<Fetched, String>> + Send;
}

/// What minting reads and renewing writes.
pub(crate) struct State {
    snapshot: ArcSwap<Snapshot>,
    health: ArcSwap<Health>,
    /// The least round that somebody waits for.
    wanted: AtomicU64,
    demand: Notify,
    /// Counts attempts.
    attempts: watch::Sender<u64>,
    /// Before that, refusals lead to no fetch.
    quiet_until: Mutex<Option<Instant>>,
}

impl State {
    pub(crate) fn new(first: Fetched) -> Self {
        let health = Health {
            keys_end: first.held.values().filter_map(Held::ends).min(),
            renewed_at: unix_now(),
            failing: None,
        };
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot {
                round: 1,
                principal: first.principal,
                held: first.held,
            }),
            health: ArcSwap::from_pointee(health),
            wanted: AtomicU64::new(0),
            demand: Notify::new(),
            attempts: watch::Sender::new(0),
            quiet_until: Mutex::new(None),
        }
    }

    pub(crate) fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    pub(crate) fn health(&self) -> Arc<Health> {
        self.health.load_full()
    }

    /// Asks for a newer round than `seen`, whose key was refused. True once there is one; false where it takes too long.
    pub(crate) async fn newer_than(&self, seen: u64) -> bool {
        if self.snapshot().round > seen {
            return true;
        }
        let mut attempts = self.attempts.subscribe();
        self.want_newer_than(seen);
        if self.quiet_for() > DEMAND_WAIT {
            return false;
        }
        // One attempt may have been on its way already when this began; that is fine if it succeeds.
        let _ = timeout(DEMAND_WAIT, attempts.changed()).await;
        self.snapshot().round > seen
    }

    /// The same without waiting.
    pub(crate) fn want_newer_than(&self, seen: u64) {
        self.wanted.fetch_max(seen + 1, Ordering::AcqRel);
        self.demand.notify_one();
    }

    fn quiet_for(&self) -> Duration {
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

    fn is_wanted(&self) -> bool {
        self.snapshot().round < self.wanted.load(Ordering::Acquire)
    }

    fn publish(&self, fetched: Fetched) {
        let before = self.snapshot.load();
        for (service, held) in &fetched.held {
            if let (Held::Refused(why), Some(Held::Key(_) | Held::Token { .. })) =
                (held, before.held.get(service))
            {
                tracing::warn!(
                    service,
                    why,
                    "a key was not renewed: it is refused from now on"
                );
            }
        }
        self.health.store(Arc::new(Health {
            keys_end: fetched.held.values().filter_map(Held::ends).min(),
            renewed_at: unix_now(),
            failing: None,
        }));
        self.snapshot.store(Arc::new(Snapshot {
            round: before.round + 1,
            principal: fetched.principal,
            held: fetched.held,
        }));
    }

    fn failed(&self, why: String) {
        let before = self.health.load();
        let failing = before.failing.as_ref();
        let failing = Failing {
            since: failing
                .map(|failing| failing.since)
                .or_else(unix_now)
                .unwrap_or(0),
            attempts: failing
                .map_or(0, |failing| failing.attempts)
                .saturating_add(1),
            why,
        };
        tracing::warn!(
            attempts = failing.attempts,
            why = %failing.why,
            keys_end = before.keys_end,
            "keys could not be renewed; those held are used meanwhile"
        );
        self.health.store(Arc::new(Health {
            failing: Some(failing),
            ..Health::clone(&before)
        }));
    }
}

/// Renews for ever. `life` is how long the first keys last.
pub(crate) async fn run(state: Arc<State>, source: impl Fetch, life: Option<Duration>) {
    let mut ends = Instant::now() + life.unwrap_or_default();
    let mut next = Instant::now() + half_life(life);
    let mut failures = 0;
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = state.demand.notified() => {
                if !state.is_wanted() {
                    continue;
                }
                sleep(state.quiet_for() + DEMAND_JITTER.mul_f64(rand::random())).await;
                *state.quiet() = Some(Instant::now() + DEMAND_GAP);
            }
        }
        match source.fetch().await {
            Ok(fetched) => {
                let life = fetched.shortest();
                failures = 0;
                ends = Instant::now() + life.unwrap_or_default();
                next = Instant::now() + half_life(life);
                state.publish(fetched);
            }
            Err(why) => {
                failures += 1;
                next = Instant::now()
                    + backoff(failures, ends.saturating_duration_since(Instant::now()));
                state.failed(why);
            }
        }
        state.attempts.send_modify(|count| *count += 1);
    }
}

/// Half of the life, give or take a tenth of that, so that clients that started together drift apart.
fn half_life(life: Option<Duration>) -> Duration {
    life.map_or(NOTHING_HELD, |life| {
        life.mul_f64(rand::random_range(0.45..0.55))
            .max(Duration::from_secs(1))
    })
}

/// Doubles from one second to a tenth of what is left, a minute at most.
fn backoff(failures: u32, left: Duration) -> Duration {
    let longest = (left / 10).clamp(Duration::from_secs(1), LONGEST_BACKOFF);
    Duration::from_secs(1_u64 << (failures - 1).min(6))
        .min(longest)
        .mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
#[path = "renew_tests.rs"]
mod tests;
