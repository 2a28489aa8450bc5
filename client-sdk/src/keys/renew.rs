//! Renewing: at half of the keys' life, with jitter, or soon after somebody's token was refused for its key.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{task::AbortHandle, time::Instant};

use super::{
    alarm::{Alarm, Wall},
    snapshot::Fetched,
    state::State,
};

/// Refusals of many requests at once become one fetch, which many clients do not make in the same moment.
const DEMAND_JITTER: Duration = Duration::from_millis(200);
/// Least time between two fetches that refusals ask for; it doubles while what comes is refused again, or nothing comes: a key
/// that stays refused must not load the authority.
const DEMAND_GAP: Duration = Duration::from_secs(5);
const LONGEST_DEMAND_GAP: Duration = Duration::from_secs(60);
/// When to ask again while a service is refused: a grant may come any time.
const REFUSED: Duration = Duration::from_secs(60);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What fetches.
pub(crate) trait Fetch: Send + Sync + 'static {
    fn fetch(&self) -> impl Future<Output = Result<Fetched, String>> + Send;
}

/// Publishes what came first, and renews it in a task of its own from then on.
pub(crate) fn start(first: Fetched, source: impl Fetch, wall: Wall) -> (Arc<State>, AbortHandle) {
    let mut renewing = Renewing {
        alarm: Alarm::after(Duration::ZERO, wall),
        ends: Instant::now(),
        failures: 0,
        demanded: false,
        gap: DEMAND_GAP,
        met: None,
        wall,
    };
    renewing.plan(&first, first.shortest());
    let state = Arc::new(State::new(first));
    let task = tokio::spawn(renewing.run(Arc::clone(&state), source));
    (state, task.abort_handle())
}

struct Renewing {
    alarm: Alarm,
    /// When the first key ends.
    ends: Instant,
    /// In a row.
    failures: u32,
    /// Somebody waits for the next attempt.
    demanded: bool,
    gap: Duration,
    /// The round that the last demand led to.
    met: Option<u64>,
    wall: Wall,
}

impl Renewing {
    async fn run(mut self, state: Arc<State>, source: impl Fetch) {
        loop {
            tokio::select! {
                () = self.alarm.rung() => self.attempt(&state, &source).await,
                () = state.demand.notified() => {
                    if state.is_wanted() && !self.demanded {
                        let jitter = DEMAND_JITTER.mul_f64(rand::random());
                        self.alarm.no_later_than(state.quiet_for() + jitter);
                        self.demanded = true;
                    }
                }
            }
        }
    }

    async fn attempt(&mut self, state: &State, source: &impl Fetch) {
        let demanded = std::mem::take(&mut self.demanded);
        if demanded {
            self.gap = if self.met == Some(state.round()) {
                (self.gap * 2).min(LONGEST_DEMAND_GAP)
            } else {
                DEMAND_GAP
            };
            state.keep_quiet(self.gap);
        }
        match source.fetch().await {
            Ok(mut fetched) => {
                let fresh = fetched.shortest(); // a key that is kept has no renewal to wait for
                fetched.keep(&state.snapshot().brought);
                self.plan(&fetched, fresh);
                state.publish(fetched);
            }
            Err(why) => {
                self.fail();
                state.failed(why);
            }
        }
        if demanded {
            self.met = Some(state.round());
        }
        state.attempts.send_modify(|count| *count += 1);
    }

    fn plan(&mut self, fetched: &Fetched, fresh: Option<Duration>) {
        self.ends = Instant::now() + fetched.shortest().unwrap_or_default();
        if !fetched.missing.is_empty() {
            return self.fail();
        }
        self.failures = 0;
        let mut wait = fresh.map_or(REFUSED, half_life);
        if fresh.is_none() || !fetched.refused.is_empty() {
            wait = wait.min(REFUSED.mul_f64(rand::random_range(0.8..1.0)));
        }
        self.alarm = Alarm::after(wait, self.wall);
    }

    fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let left = self.ends.saturating_duration_since(Instant::now());
        self.alarm = Alarm::after(backoff(self.failures, left), self.wall);
    }
}

/// Half of the life, give or take a tenth of that, so that clients that started together drift apart.
fn half_life(life: Duration) -> Duration {
    life.mul_f64(rand::random_range(0.45..0.55))
        .max(Duration::from_secs(1))
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
