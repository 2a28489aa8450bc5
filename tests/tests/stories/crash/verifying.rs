//! Somebody who calls the service all the time, and whose every token is good.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use cattery_core::UserKey;
use cattery_tests::{agent::FORWARD_AUTH, http, town::mint, wait};

/// A thread that verifies through forward-auth.
pub(super) struct Verifying {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Verifying {
    pub(super) fn start(agent: SocketAddr, key: UserKey) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let bearer = format!("Bearer {}", mint(&key)?);
                let headers = [("authorization", bearer.as_bytes())];
                let answer = http::get(agent, FORWARD_AUTH, &headers)
                    .with_context(|| format!("after {counted:?} good answers"))?;
                ensure!(
                    answer.status == 200,
                    "after {counted:?} good answers the agent said {answer:?}"
                );
                counted.fetch_add(1, Ordering::Relaxed);
                // Leaves the cores to the authority: a rate, not a wait for anything.
                thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        });
        Self {
            stop,
            count,
            thread,
        }
    }

    /// Waits for a few more good answers.
    pub(super) async fn goes_on(&self) -> Result<()> {
        let count = || self.count.load(Ordering::Relaxed);
        let before = count();
        wait::until_async("the agent verifies", || async {
            ensure!(!self.thread.is_finished(), "the agent refused a token");
            Ok((count() >= before + 3).then_some(()))
        })
        .await
    }

    /// How many were verified; none was refused.
    pub(super) fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the verifying thread panicked"))??;
        Ok(self.count.load(Ordering::Relaxed))
    }
}
