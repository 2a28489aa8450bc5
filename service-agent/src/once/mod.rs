//! The memory of single-use tokens (SPEC section 5, step 8): bounded, fair and forgetful in time.
//!
//! Everything of one principal is in one shard, so looking up, counting shares and remembering are one step under one lock.
//! Which shard that is depends on a secret of this process: nobody can aim at a shard.

mod shard;
mod shared;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cattery_core::{MemorySince, SingleUse, Use, UseRefused};
use shard::Shard;
pub(crate) use shared::{Noting, Spend};

use crate::clock::Moment;

/// More than the threads that verify at the same time on most machines.
const SHARDS: usize = 32;

/// One principal may fill this part of the memory: four have to act together to shut out the others.
const PRINCIPAL_SHARE: usize = 4;
/// One lease, half of its principal's: a stolen key leaves room for the others of that principal.
const LEASE_SHARE: usize = 8;
/// One token, which its holder can narrow to any number of marks. Few need more than one.
const TOKEN_SHARE: usize = 64;

/// How many marks each one may take.
#[derive(Clone, Copy, Debug)]
struct Shares {
    token: usize,
    lease: usize,
    principal: usize,
}

/// Remembers every use until the token could not pass any more.
pub(crate) struct Memory {
    start: Moment,
    capacity: usize,
    shares: Shares,
    /// Marks in all shards together; a place is taken here before a mark is put there.
    taken: AtomicUsize,
    /// The last second in which all shards were swept: a full memory does not sweep for every stranger.
    swept: AtomicU64,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl Memory {
    /// An empty memory for `capacity` marks, that began at this moment.
    pub(crate) fn new(capacity: usize, start: Moment) -> Self {
        Self {
            start,
            capacity,
            shares: Shares {
                token: (capacity / TOKEN_SHARE).max(1),
                lease: (capacity / LEASE_SHARE).max(1),
                principal: (capacity / PRINCIPAL_SHARE).max(1),
            },
            taken: AtomicUsize::new(0),
            swept: AtomicU64::new(0),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Marks remembered, those that a sweep would forget included.
    pub(crate) fn len(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The memory as a verifier sees it at `now`.
    pub(crate) fn at(&self, now: Moment) -> MemoryAt<'_> {
        MemoryAt { memory: self, now }
    }

    /// When it began, by the clock of `now`: at the start that clock may have been wrong.
    fn since(&self, now: Moment) -> u64 {
        let lived = now.steady.saturating_duration_since(self.start.steady);
        let began = now.wall.saturating_sub(lived.as_secs());
        // Both are whole seconds: a difference of one is no other clock.
        if began > self.start.wall.saturating_add(1) {
            began
        } else {
            self.start.wall
        }
    }

    fn shard(&self, principal: &str) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(principal);
        let at = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[at])
    }

    /// Takes one place of the whole, after a sweep if that is what it needs.
    fn take_place(&self, now: u64) -> bool {
        let take = || {
            self.taken
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                    (taken < self.capacity).then_some(taken + 1)
                })
                .is_ok()
        };
        if take() {
            return true;
        }
        if self.swept.swap(now, Ordering::Relaxed) == now {
            return false;
        }
        for shard in &self.shards {
            self.give_back(lock(shard).forget_before(now));
        }
        take()
    }

    fn give_back(&self, places: usize) {
        self.taken.fetch_sub(places, Ordering::Relaxed);
    }
}

/// The memory at one moment.
#[derive(Clone, Copy)]
pub(crate) struct MemoryAt<'a> {
    memory: &'a Memory,
    now: Moment,
}

impl SingleUse for MemoryAt<'_> {
    fn since(&self) -> MemorySince {
        MemorySince::Restart(self.memory.since(self.now))
    }

    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused> {
        self.memory.use_once(once)
    }
}

impl Memory {
    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused> {
        // Before the shard's lock: a sweep takes every shard's lock in turn.
        let has_place = self.take_place(once.now);
        let mut shard = self.shard(once.principal);
        self.give_back(shard.forget_before(once.now));
        let answer = if shard.holds(&once.mark) || shard.is_too_late(once) {
            Err(UseRefused::Replayed)
        } else if has_place && shard.has_room(once, self.shares) {
            shard.remember(once);
            return Ok(());
        } else {
            Err(UseRefused::Full)
        };
        self.give_back(usize::from(has_place));
        answer
    }
}

/// A shard is whole after every statement that can panic, so a poisoned lock is as good as another.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
