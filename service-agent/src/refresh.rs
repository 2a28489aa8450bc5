//! Keeping the keys fresh: asks on a period, and sooner when a token of a newer epoch comes in.

mod pace;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cattery_proto::v1;
use cattery_sdk::sealing::{ReceiverKey, SealingError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::agent::Agent;
use crate::cache::Cache;
use crate::clock::{Moment, jittered, unix_millis};
use crate::keys::{KeySet, Rejected, accept};
use crate::link::CallError;
use crate::state::{Mark, StateDir, StateError};
use pace::Pace;

/// One attempt; the next one tries other addresses first.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long cached keys wait for fresh ones; the attempt goes on.
const CACHE_PATIENCE: Duration = Duration::from_secs(1);

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
}

/// An authority's answer, not yet believed.
struct Answer {
    response: v1::GetServiceKeysResponse,
    receiver: ReceiverKey,
    /// When it was asked for.
    asked: Moment,
    clock_difference_ms: i64,
}

/// The task that keeps the keys fresh.
pub(crate) struct Refresher {
    agent: Arc<Agent>,
    dir: StateDir,
    seen: Mark,
    /// How much of `seen` is on disk.
    saved: Mark,
    cache: Option<Cache>,
    pace: Pace,
}

impl Refresher {
    pub(crate) fn new(
        agent: Arc<Agent>,
        dir: StateDir,
        cache: Option<Cache>,
    ) -> Result<Self, StateError> {
        let saved = Mark::load(&dir)?;
        Ok(Self {
            agent,
            dir,
            seen: saved,
            saved,
            cache,
            pace: Pace::new(),
        })
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut was_forced = false;
        loop {
            let began = Instant::now();
            let attempt = self.attempt().await;
            let news = matches!(attempt, Ok((_, true)));
            self.pace.brought(news, was_forced);
            let wait = match attempt {
                Ok((refresh_after_seconds, _)) => self.succeeded(refresh_after_seconds),
                Err(error) => self.failed(&error),
            };
            let due = Instant::now() + jittered(wait);
            let forced = began + self.pace.gap();
            was_forced = tokio::select! {
                () = sleep_until(due) => false,
                () = self.agent.refresh.0.notified() => {
                    sleep_until(due.min(forced)).await;
                    forced < due
                }
            };
        }
    }

    /// Asks once. Gives when the authority wants to be asked again, in seconds, and whether there was news.
    async fn attempt(&mut self) -> Result<(u32, bool), RefreshError> {
        let agent = Arc::clone(&self.agent);
        let mut asking = pin!(timeout(ATTEMPT_TIMEOUT, ask(&agent)));
        let answer = match timeout(CACHE_PATIENCE, &mut asking).await {
            Ok(answer) => answer,
            Err(_) => {
                self.use_cache();
                asking.await
            }
        };
        let answer = answer.map_err(|_| RefreshError::Timeout)??;
        let former = agent.keys.load_full();
        let set = accept(
            &answer.response,
            &answer.receiver,
            &agent.service,
            self.seen,
            former.as_deref(),
        )?;
        let news = former.as_ref().is_none_or(|former| !former.says_as(&set));
        if former.is_none_or(|former| former.held() != set.held()) {
            let epochs: Vec<_> = set.held().iter().map(|held| held.epoch).collect();
            info!(?epochs, "holding the keys of these epochs");
        }
        self.remember(&set, answer.asked, news);
        agent.keys.store(Some(Arc::new(set)));
        agent.contact.heard(answer.asked);
        agent
            .clock_difference_ms
            .store(answer.clock_difference_ms, Ordering::Relaxed);
        agent.link.learn(answer.response.cluster);
        Ok((answer.response.refresh_after_seconds, news))
    }

    /// Before the set is used: a restart must not believe less than this life did. A full disk is no reason to do without
    /// the newer set, though; the next attempt tries again.
    fn remember(&mut self, set: &KeySet, asked: Moment, news: bool) {
        self.seen = self.seen.max(set.mark());
        if self.seen > self.saved {
            match self.seen.save(&self.dir) {
                Ok(()) => self.saved = self.seen,
                Err(error) => {
                    warn!(%error, "cannot save what was seen: a restart would believe an authority that fell back");
                }
            }
        }
        if let Some(cache) = &mut self.cache
            && let Err(error) = cache.save(set, asked, news)
        {
            warn!(%error, "the cache of keys is not up to date: a restart without an authority may find no keys");
        }
    }

    fn succeeded(&mut self, refresh_after_seconds: u32) -> Duration {
        let (wait, is_back) = self.pace.succeeded(refresh_after_seconds);
        if is_back {
            info!("reached an authority again");
        }
        wait
    }

    fn failed(&mut self, error: &RefreshError) -> Duration {
        self.agent.contact.failed();
        let (wait, is_first) = self.pace.failed();
        if is_first {
            warn!(%error, "cannot refresh keys");
        } else {
            debug!(%error, "still cannot refresh keys");
        }
        self.use_cache();
        wait
    }

    /// Where there are no keys yet.
    fn use_cache(&mut self) {
        let Some(cache) = &self.cache else { return };
        if self.agent.keys.load().is_some() {
            return;
        }
        let now = Moment::now();
        match cache.load(now.wall) {
            Ok(Some(cached)) if cached.set.mark() >= self.seen => {
                self.agent.contact.remembered(now, cached.since_contact);
                self.agent.contact.failed();
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

async fn ask(agent: &Agent) -> Result<Answer, RefreshError> {
    let receiver = ReceiverKey::generate()?;
    let (asked, asked_ms) = (Moment::now(), unix_millis());
    let response = agent.link.service_keys(receiver.public_key()).await?;
    let middle = asked_ms.midpoint(unix_millis());
    let difference = i128::from(response.server_time_ms) - i128::from(middle);
    Ok(Answer {
        response,
        receiver,
        asked,
        clock_difference_ms: i64::try_from(difference).unwrap_or(i64::MAX),
    })
}
