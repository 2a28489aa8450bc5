//! Somebody who fetches keys, mints and calls the service all the time, and whose every token is good.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use cattery_tests::{agent::FORWARD_AUTH, api, http, town::mint, wait};

use crate::block_on;

/// Calls with one key before the next one is fetched: old keys are in use for a while after a rotation.
const CALLS_PER_KEY: u32 = 20;

/// How many tokens of each epoch were verified.
type Counts = Arc<Mutex<BTreeMap<u32, u64>>>;

/// A thread that does all that.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    counts: Counts,
    thread: JoinHandle<Result<()>>,
}

impl Load {
    /// With a user's API key, at an agent of `photos`.
    pub(super) fn start(api_key: &str, agent: SocketAddr) -> Self {
        let api_key = api_key.to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Counts::default();
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&counts));
        let thread = thread::spawn(move || {
            block_on(async {
                let mut user = api::User::new(&api_key)?;
                while !stopped.load(Ordering::Relaxed) {
                    let key = user.key("photos").await?.context("a grant")?;
                    for _ in 0..CALLS_PER_KEY {
                        call(agent, &mint(&key)?).with_context(|| format!("after {counted:?}"))?;
                        *lock(&counted).entry(key.id().epoch).or_default() += 1;
                        // Leaves the cores to the programs: a rate, not a wait for anything.
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                Ok(())
            })
        });
        Self {
            stop,
            counts,
            thread,
        }
    }

    /// Waits until tokens of this epoch were verified, and so many of them that no older key is in use any more.
    pub(super) fn reaches(&self, epoch: u32) -> Result<()> {
        let wanted = u64::from(2 * CALLS_PER_KEY);
        wait::until("tokens of the new epoch are in use", || {
            ensure!(!self.thread.is_finished(), "a token was refused: see below");
            let count = lock(&self.counts).get(&epoch).copied().unwrap_or(0);
            Ok((count >= wanted).then_some(()))
        })
    }

    /// How many were verified of each epoch; none was refused.
    pub(super) fn stop(self) -> Result<BTreeMap<u32, u64>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the calling thread panicked"))??;
        Ok(lock(&self.counts).clone())
    }
}

fn call(agent: SocketAddr, token: &str) -> Result<()> {
    let bearer = format!("Bearer {token}");
    let answer = http::get(agent, FORWARD_AUTH, &[("authorization", bearer.as_bytes())])?;
    ensure!(answer.status == 200, "the agent said {answer:?}");
    Ok(())
}

fn lock(counts: &Counts) -> MutexGuard<'_, BTreeMap<u32, u64>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
