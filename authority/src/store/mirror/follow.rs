//! The task behind a mirror.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::super::{BootTime, Changes, MAX_PAGE, Revision, Store, StoreError, Watch, WatchError};
use super::Shared;
use super::copy::Copy;
use super::progress::{Progress, Read};
use crate::failure::chain;

/// Changes that are taken before a view of them is made: each view of a changed copy costs a copy.
const BATCH: usize = 256;
/// Longer than any store takes to say that it cannot answer.
const SILENCE: Duration = Duration::from_secs(15);

pub(super) struct Follower {
    store: Arc<dyn Store>,
    prefixes: Vec<String>,
    beat: String,
    period: Duration,
    shared: Arc<Shared>,
}

/// Why everything is listed anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum Anew {
    #[error("cannot list the store")]
    Unlisted(#[source] StoreError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("the watch does not tell of a change that is in the store")]
    Deaf,
    #[error("the store went back from revision {from} to {to}: was it restored?")]
    WentBack { from: Revision, to: Revision },
}

type InFlight<'a> = Option<Pin<Box<dyn Future<Output = Read> + Send + 'a>>>;

impl Follower {
    pub(super) fn new(
        store: Arc<dyn Store>,
        prefixes: Vec<String>,
        beat: String,
        period: Duration,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            store,
            prefixes,
            beat,
            period,
            shared,
        }
    }

    pub(super) async fn run(self) {
        loop {
            let anew = match self.list().await {
                Ok((copy, watch)) => self.follow(copy, watch).await,
                Err(error) => Anew::Unlisted(error),
            };
            tracing::warn!(reason = %chain(&anew), "listing the store anew");
            sleep(self.period / 4).await;
        }
    }

    async fn list(&self) -> Result<(Copy, Watch), StoreError> {
        let start = self.store.list("", None, 0).await?.revision;
        let mut copy = Copy::new(self.prefixes.clone(), start);
        for prefix in &self.prefixes {
            let mut after: Option<String> = None;
            loop {
                let page = self.store.list(prefix, after.as_deref(), MAX_PAGE).await?;
                after = page.entries.last().map(|entry| entry.key.clone());
                let more = page.more;
                copy.take(page);
                if !more {
                    break;
                }
            }
        }
        let watch = self.store.watch("", start).await?;
        Ok((copy, watch))
    }

    async fn follow(&self, copy: Copy, mut watch: Watch) -> Anew {
        let mut progress = Progress::new(copy, self.shared.clone());
        let mut flight: InFlight<'_> = None;
        let mut again = false;
        let mut beats = interval(self.period);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let deaf = progress.deaf_after(self.period);
            tokio::select! {
                changes = watch.next() => {
                    if let Err(error) = take(&mut progress, changes, &mut watch).await {
                        return error.into();
                    }
                }
                read = arrival(&mut flight) => {
                    flight = again.then(|| self.read());
                    again = false;
                    if let Err(back) = progress.read(read) {
                        return back;
                    }
                }
                _ = beats.tick() => {
                    flight.get_or_insert_with(|| self.read());
                }
                () = self.shared.wanted.notified() => {
                    again = flight.is_some();
                    flight.get_or_insert_with(|| self.read());
                }
                () = sleep_until(deaf.unwrap_or_else(Instant::now)), if deaf.is_some() => {
                    return Anew::Deaf;
                }
            }
        }
    }

    fn read(&self) -> Pin<Box<dyn Future<Output = Read> + Send + '_>> {
        let number = self.shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let sent = BootTime::now();
        Box::pin(async move {
            let answer = timeout(SILENCE, self.store.get(&self.beat)).await;
            let silent = |_| Err(StoreError::Unavailable("it does not answer".into()));
            Read {
                number,
                sent,
                answer: answer.unwrap_or_else(silent),
            }
        })
    }
}

/// Takes changes, and those that wait behind them.
async fn take(
    progress: &mut Progress,
    first: Result<Changes, WatchError>,
    watch: &mut Watch,
) -> Result<(), WatchError> {
    let mut changed = progress.apply(first?);
    for _ in 1..BATCH {
        tokio::select! {
            biased;
            changes = watch.next() => changed |= progress.apply(changes?),
            () = std::future::ready(()) => break,
        }
    }
    progress.applied(changed);
    Ok(())
}

/// Never, where nothing is under way.
async fn arrival(flight: &mut InFlight<'_>) -> Read {
    match flight {
        Some(read) => read.await,
        None => std::future::pending().await,
    }
}
