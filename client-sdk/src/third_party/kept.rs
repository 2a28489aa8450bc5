//! One discharge that is kept and renewed for as long as it is used.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{AskError, Needed, Unvouched};
use crate::keys::Discharge;

/// Not used for so long, it is not renewed any more.
const IDLE: Duration = Duration::from_secs(300);
/// How long a request waits for a discharge that is not there.
const WAIT: Duration = Duration::from_secs(6);
/// How long a refusal stands before a request leads to another attempt: a third party that says no is not asked by each of them.
const GAP: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(15);

/// A discharge that is needed, and how it is doing.
pub(super) struct Kept {
    pub(super) needed: Needed,
    held: ArcSwapOption<Discharge>,
    began: Instant,
    /// When it was last used, seconds after `began`.
    used: AtomicU64,
    attempts: watch::Sender<Attempts>,
    wanted: Notify,
}

#[derive(Default)]
struct Attempts {
    count: u64,
    /// The last one, where it failed.
    failed: Option<(Instant, Arc<AskError>)>,
    /// There are no more.
    gone: bool,
}

impl Kept {
    pub(super) fn new(needed: Needed) -> Self {
        Self {
            needed,
            held: ArcSwapOption::empty(),
            began: Instant::now(),
            used: AtomicU64::new(0),
            attempts: watch::Sender::default(),
            wanted: Notify::new(),
        }
    }

    /// The discharge, if it is good at `now` (Unix seconds). Takes no lock.
    pub(super) fn good(&self, now: u64) -> Option<Arc<Discharge>> {
        let second = self.began.elapsed().as_secs();
        if self.used.load(Ordering::Relaxed) != second {
            self.used.store(second, Ordering::Relaxed); // once a second, so that threads do not fight for it
        }
        self.is_good(now).then(|| self.held.load_full()).flatten()
    }

    fn is_good(&self, now: u64) -> bool {
        let held = self.held.load();
        held.as_ref().is_some_and(|held| held.not_after() > now)
    }

    /// Waits for one attempt. Many who wait are one attempt. `None`: it was let go, and somebody else has to ask.
    pub(super) async fn wait(&self, now: impl Fn() -> u64) -> Option<Result<(), Unvouched>> {
        let waited = self.wait_until_gone(now).await;
        (waited.is_ok() || !self.attempts.borrow().gone).then_some(waited)
    }

    /// Tells those who wait that nobody asks any more.
    pub(super) fn let_go(&self) {
        self.attempts.send_modify(|attempts| attempts.gone = true);
    }

    async fn wait_until_gone(&self, now: impl Fn() -> u64) -> Result<(), Unvouched> {
        let mut attempts = self.attempts.subscribe(); // first, so that no attempt ends unnoticed after the check
        if self.good(now()).is_some() {
            return Ok(());
        }
        let is_fresh = |(at, _): &&(Instant, Arc<AskError>)| at.elapsed() < GAP;
        if let Some((_, why)) = attempts.borrow().failed.as_ref().filter(is_fresh) {
            return Err(self.refused(why));
        }
        if attempts.borrow().gone {
            return Err(Unvouched::TooLate(self.needed.principal.clone()));
        }
        self.wanted.notify_one();
        if timeout(WAIT, attempts.changed()).await.is_err() {
            return Err(Unvouched::TooLate(self.needed.principal.clone()));
        }
        if self.is_good(now()) {
            return Ok(());
        }
        let failed = attempts.borrow().failed.clone();
        Err(match failed {
            Some((_, why)) => self.refused(&why),
            None => Unvouched::TooLate(self.needed.principal.clone()), // it came, and has ended since
        })
    }

    fn refused(&self, why: &Arc<AskError>) -> Unvouched {
        Unvouched::Refused {
            who: self.needed.principal.clone(),
            why: Arc::clone(why),
        }
    }

    /// Asks, keeps, renews; ends when nobody has used it for a while.
    pub(super) async fn keep<A>(&self, ask: impl Fn() -> A, now: impl Fn() -> u64)
    where
        A: Future<Output = Result<Discharge, AskError>>,
    {
        let mut failures = 0_u32;
        loop {
            let asked = ask().await.and_then(|discharge| {
                let life = discharge.not_after().saturating_sub(now());
                match life {
                    0 => Err(AskError::Answer(
                        "it has ended already: do the clocks differ?",
                    )),
                    life => Ok((discharge, life)),
                }
            });
            let wait = match asked {
                Ok((discharge, life)) => {
                    failures = 0;
                    self.held.store(Some(Arc::new(discharge)));
                    self.tried(None);
                    half_life(life)
                }
                Err(why) => {
                    failures += 1;
                    tracing::debug!(third_party = %self.needed.principal, service = %self.needed.service, %why, "no discharge");
                    self.tried(Some(why));
                    backoff(failures)
                }
            };
            if !self.is_wanted_after(wait, &now).await {
                return;
            }
        }
    }

    fn tried(&self, failed: Option<AskError>) {
        self.attempts.send_modify(|attempts| {
            attempts.count += 1;
            attempts.failed = failed.map(|why| (Instant::now(), Arc::new(why)));
        });
    }

    /// True when the next attempt is due: at its time while there is something to renew, or when a request waits. False when nobody
    /// has used it for a while.
    async fn is_wanted_after(&self, wait: Duration, now: impl Fn() -> u64) -> bool {
        let mut due = Instant::now() + wait;
        loop {
            tokio::select! {
                () = sleep_until(due) => {
                    let used = self.began + Duration::from_secs(self.used.load(Ordering::Relaxed));
                    if used.elapsed() >= IDLE {
                        return false;
                    }
                    // What is not there any more is asked for by requests alone.
                    if self.is_good(now()) {
                        return true;
                    }
                    due = Instant::now() + IDLE;
                }
                () = self.wanted.notified() => {
                    // The last attempt may have come after the wish.
                    if !self.is_good(now()) {
                        return true;
                    }
                }
            }
        }
    }
}

/// Half of the life, give or take a tenth of that, so that clients that started together drift apart.
fn half_life(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
        .mul_f64(rand::random_range(0.45..0.55))
        .max(Duration::from_millis(500))
}

fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1_u64 << (failures - 1).min(4))
        .min(LONGEST_BACKOFF)
        .mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn kept() -> Arc<Kept> {
        Arc::new(Kept::new(Needed {
            service: "photos".to_owned(),
            principal: "service/iam".to_owned(),
            ticket: vec![1; 32],
            epoch: 1,
            generation: 0,
        }))
    }

    /// Discharges of a minute while `yes`, on a clock that begins at 1,000.
    async fn world(test: impl AsyncFnOnce(&Kept, &dyn Fn() -> u64, &AtomicU32, &AtomicU32)) {
        let (kept, began) = (kept(), Instant::now());
        let now = move || 1_000 + began.elapsed().as_secs();
        let (asked, no) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (count, refuses, at) = (Arc::clone(&asked), Arc::clone(&no), Arc::clone(&kept));
        let keeping = tokio::spawn(async move {
            let ask = || async {
                count.fetch_add(1, Ordering::SeqCst);
                match refuses.load(Ordering::SeqCst) {
                    0 => Ok(Discharge::new("catd1_x".to_owned(), now() + 60)),
                    _ => Err(AskError::No),
                }
            };
            at.keep(ask, now).await;
        });
        test(&kept, &now, &asked, &no).await;
        keeping.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_is_renewed_before_it_ends() {
        world(async |kept, now, asked, _| {
            kept.wait(now).await.unwrap().unwrap();
            for _ in 0..600 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert!(kept.good(now()).is_some());
            }
            let asked = asked.load(Ordering::SeqCst);
            assert!((18..=24).contains(&asked), "{asked}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_let_go() {
        world(async |kept, now, asked, _| {
            kept.wait(now).await.unwrap().unwrap();
            tokio::time::sleep(IDLE * 4).await;
            let asked = asked.load(Ordering::SeqCst);
            assert!(asked <= 13, "{asked}");
            assert!(kept.good(now()).is_none());
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_when_it_is_let_go_asks_somebody_else() {
        let (kept, now) = (kept(), || 1_000);
        let waits = tokio::spawn({
            let kept = Arc::clone(&kept);
            async move { kept.wait(now).await.is_none() }
        });
        tokio::task::yield_now().await;
        let began = Instant::now();
        kept.let_go();
        assert!(waits.await.unwrap());
        assert!(kept.wait(now).await.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_heard_and_not_asked_for_by_everybody() {
        world(async |kept, now, asked, no| {
            kept.wait(now).await.unwrap().unwrap();
            no.store(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(61)).await;
            let before = asked.load(Ordering::SeqCst);
            for _ in 0..100 {
                let refused = kept.wait(now).await.unwrap();
                assert!(matches!(refused, Err(Unvouched::Refused { .. })));
            }
            assert!(asked.load(Ordering::SeqCst) <= before + 1);
            no.store(0, Ordering::SeqCst);
            tokio::time::sleep(GAP).await;
            kept.wait(now).await.unwrap().unwrap();
        })
        .await;
    }
}
