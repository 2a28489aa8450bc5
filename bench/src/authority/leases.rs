//! Users who lease keys, as the SDK does: a fresh key pair for each answer, and each key opened.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cattery_bench::Cluster;
use cattery_tests::api::User;
use tokio::task::JoinSet;

use super::{
    place::{SERVICE, programs},
    slice::Slice,
};

/// How users come.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// For people.
    pub(super) name: &'static str,
    /// Where there is little room.
    pub(super) short: &'static str,
    /// For programs.
    pub(super) key: &'static str,
    /// TLS connections that are kept; `None` for a new one for each lease.
    kept: Option<usize>,
    /// Leases that are asked for at the same time.
    at_once: usize,
}

impl Way {
    pub(super) const ALL: [Self; 4] = [
        Self {
            name: "one connection kept, one at a time",
            short: "1 kept, 1 at a time",
            key: "kept_1_at_once_1",
            kept: Some(1),
            at_once: 1,
        },
        Self::ONE_CONNECTION,
        Self::MANY,
        Self {
            name: "a new connection for each, 32 at once",
            short: "a new one each, 32 at once",
            key: "new_at_once_32",
            kept: None,
            at_once: 32,
        },
    ];

    /// As many as an authority takes of one connection.
    pub(super) const ONE_CONNECTION: Self = Self {
        name: "one connection kept, 64 at once",
        short: "1 kept, 64 at once",
        key: "kept_1_at_once_64",
        kept: Some(1),
        at_once: 64,
    };

    /// What is compared: fewer than an authority works on at the same time.
    pub(super) const MANY: Self = Self {
        name: "4 connections kept, 128 at once",
        short: "4 kept, 128 at once",
        key: "kept_4_at_once_128",
        kept: Some(4),
        at_once: 128,
    };
}

/// Users who come in one way.
pub(super) struct Callers<'a> {
    cluster: &'a Cluster,
    api_keys: Arc<[String]>,
    way: Way,
    kept: Vec<User>,
}

impl<'a> Callers<'a> {
    /// # Errors
    /// Where an API key is none.
    pub(super) fn new(cluster: &'a Cluster, api_keys: Arc<[String]>, way: Way) -> Result<Self> {
        let first = api_keys.first().context("an API key")?;
        let kept = (0..way.kept.unwrap_or_default()).map(|_| User::new(first));
        Ok(Self {
            cluster,
            way,
            kept: kept.collect::<Result<_>>()?,
            api_keys,
        })
    }

    /// Leases for so long, and until what has begun then is done.
    ///
    /// # Errors
    /// One lease fails.
    pub(super) async fn run(&self, length: Duration) -> Result<Slice> {
        let programs = programs(self.cluster)?;
        let turn = Arc::new(AtomicUsize::new(0));
        let (before, began) = (programs.spent()?, Instant::now());
        let mut callers = JoinSet::new();
        for number in 0..self.way.at_once {
            let (api_keys, turn) = (self.api_keys.clone(), turn.clone());
            let kept = self.kept.get(number % self.kept.len().max(1)).cloned();
            callers.spawn(async move {
                let mut waits = Vec::new();
                while began.elapsed() < length {
                    let next = turn.fetch_add(1, Ordering::Relaxed) % api_keys.len();
                    let since = Instant::now();
                    let mut user = match &kept {
                        Some(kept) => kept.beside(&api_keys[next]),
                        None => User::new(&api_keys[next])?,
                    };
                    user.key(SERVICE).await?.context("a grant allows it")?;
                    waits.push(since.elapsed());
                }
                anyhow::Ok(waits)
            });
        }
        let mut waits = Vec::new();
        while let Some(caller) = callers.join_next().await {
            waits.extend(caller??);
        }
        Ok(Slice {
            done: waits.len() as u64,
            took: began.elapsed(),
            waits,
            spent: programs.spent()?.since(before),
        })
    }
}
