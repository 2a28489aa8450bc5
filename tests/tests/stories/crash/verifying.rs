//! Somebody who calls the service all the time, and whose every token is good.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use cattery_core::UserKey;
use cattery_tests::{agent::FORWARD_AUTH, http, town::mint};

/// A thread that verifies through forward-auth.
pub(super) struct Verifying {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Verifying {
    pub(super) fn start(agent: SocketAddr, key: UserKey) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                let bearer = format!("Bearer {}", mint(&key)?);
                let headers = [("authorization", bearer.as_bytes())];
                let answer = http::get(agent, FORWARD_AUTH, &headers)
                    .with_context(|| format!("after {count} good answers"))?;
                ensure!(
                    answer.status == 200,
                    "after {count} good answers the agent said {answer:?}"
                );
                count += 1;
                // Leaves the cores to the authority: a rate, not a wait for anything.
                thread::sleep(Duration::from_millis(5));
            }
            Ok(count)
        });
        Self { stop, thread }
    }

    /// How many were verified; none was refused.
    pub(super) fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the verifying thread panicked"))?
    }
}
