//! Keeping the keys fresh: asks on a period, and sooner when a token of a newer epoch comes in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cattery_sdk::sealing::{ReceiverKey, SealingError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::agent::Agent;
use crate::cache::Cache;
use crate::clock::{Moment, jittered, unix_millis};
use crate::keys::{KeySet, Rejected, accept};
use crate::link::CallError;
use crate::state::{Mark, StateDir, StateError};

/// Least time between two attempts.
const LEAST_PERIOD: Duration = Duration::from_secs(1);
/// Least time before an attempt that tokens ask for, however many do: anyone can name an epoch that does not exist.
const FORCED_PERIOD: Duration = Duration::from_secs(2);
/// An authority that asks for less contact than this asks for a revocation that comes late.
const GREATEST_PERIOD: Duration = Duration::from_secs(300);
/// One attempt; the next one tries other addresses first.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// An agent that is cut off finds its way back within this.
const GREATEST_BACKOFF: Duration = Duration::from_secs(30);

/// Asks for a refresh: any number of requests are one.
#[derive(Default)]
pub(crate) struct Trigger(Notify);

impl Trigger {
    pub(crate) fn request(&self) {
        self.0.notify_one();
    }
}

#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())]
    Timeout,
    #[error("an authority's keys are not taken: {0}")]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Receiver(#[from] SealingError),
    #[error(transparent)]
    State(#[from] StateError),
}

/// The task that keeps the keys fresh.
pub(crate) struct Refresher {
    agent: Arc<Agent>,
    dir: StateDir,
    seen: Mark,
    cache: Option<Cache>,
}

impl Refresher {
    pub(crate) fn new(
        agent: Arc<Agent>,
        dir: StateDir,
        cache: Option<Cache>,
    ) -> Result<Self, StateError> {
        Ok(Self {
            seen: Mark::load(&dir)?,
            agent,
            dir,
            cache,
        })
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let wait = match self.attempt().await {
                Ok(period) => {
                    failures = 0;
                    jittered(period)
                }
                Err(error) => {
                    self.failed(&error, failures);
                    failures += 1;
                    jittered(backoff(failures))
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = self.agent.refresh.0.notified() => sleep_until(began + FORCED_PERIOD).await,
            }
        }
    }

    /// Asks once. Gives how long to wait before the next time.
    async fn attempt(&mut self) -> Result<Duration, RefreshError> {
        let receiver = ReceiverKey::generate()?;
        let asked = Moment::now();
        let asked_ms = unix_millis();
        let call = self.agent.link.service_keys(receiver.public_key());
        let response = timeout(ATTEMPT_TIMEOUT, call)
            .await
            .map_err(|_| RefreshError::Timeout)??;
        let set = accept(&response, &receiver, &self.agent.service, self.seen)?;
        self.remember(&set)?;
        self.publish(&Arc::new(set), asked);
        let middle = asked_ms.midpoint(unix_millis());
        let difference = i128::from(response.server_time_ms) - i128::from(middle);
        let difference = i64::try_from(difference).unwrap_or(i64::MAX);
        self.agent
            .clock_difference_ms
            .store(difference, Ordering::Relaxed);
        self.agent.link.learn(response.cluster);
        let period = Duration::from_secs(response.refresh_after_seconds.into());
        Ok(period.clamp(LEAST_PERIOD, GREATEST_PERIOD))
    }

    /// Before the set is used: a restart must not believe less than this life did.
    fn remember(&mut self, set: &KeySet) -> Result<(), StateError> {
        let mark = set.mark();
        if mark > self.seen {
            mark.save(&self.dir)?;
            self.seen = mark;
        }
        Ok(())
    }

    fn publish(&mut self, set: &Arc<KeySet>, asked: Moment) {
        let former = self.agent.keys.swap(Some(Arc::clone(set)));
        self.agent.contact.heard(asked);
        let is_news = former.as_ref().is_none_or(|former| !former.says_as(set));
        if former.is_none_or(|former| former.held() != set.held()) {
            let epochs: Vec<_> = set.held().iter().map(|held| held.epoch).collect();
            info!(?epochs, "holding the keys of these epochs");
        }
        if let Some(cache) = &mut self.cache
            && let Err(error) = cache.save(set, asked, is_news)
        {
            warn!(%error, "the cache of keys is not up to date: a restart without an authority may find no keys");
        }
    }

    fn failed(&mut self, error: &RefreshError, failures: u32) {
        self.agent.contact.failed();
        if failures == 0 {
            warn!(%error, "cannot refresh keys");
        } else {
            debug!(%error, failures, "still cannot refresh keys");
        }
        if self.agent.keys.load().is_none() {
            self.use_cache();
        }
    }

    fn use_cache(&mut self) {
        let Some(cache) = &self.cache else { return };
        let now = Moment::now();
        match cache.load(now.wall) {
            Ok(Some(cached)) if cached.set.mark() >= self.seen => {
                self.agent.contact.remembered(now, cached.since_contact);
                self.agent.keys.store(Some(Arc::new(cached.set)));
                info!(since_contact = ?cached.since_contact, "no authority answers: using the cached keys");
            }
            Ok(Some(_)) => {
                warn!("the cached keys are older than what this agent has seen: not used");
            }
            Ok(None) => {}
            Err(error) => warn!(%error, "the cached keys are not used"),
        }
    }
}

/// 1 s, 2 s, 4 s, … up to [`GREATEST_BACKOFF`].
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(8);
    (LEAST_PERIOD * 2_u32.pow(doublings)).min(GREATEST_BACKOFF)
}
