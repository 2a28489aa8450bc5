//! Uses of single-use tokens, for the agents of a service that share one memory of them (SPEC section 5, step 8).
//!
//! A mark is put where nothing may be yet, in a transaction that rests on how far marks are forgotten: so whoever puts one knows that it
//! was not there before, whatever the clocks of authorities and agents show.

use std::sync::{Arc, PoisonError, RwLock};

use super::counts::Counts;
use super::{ATTEMPTS, Registry, Stored};
use crate::failure::Failure;
use crate::records::{Hex, Record as _, SweptRecord, key};
use crate::store::{MAX_OPERATIONS, MAX_PAGE, Transaction};

/// How long a mark outlives its token, seconds: the greatest leeway of an agent, and clocks that differ by five minutes more.
const KEPT: u64 = 600 + 300;
/// The longest that a token may last whose use is remembered, seconds; an agent's clock may be ahead.
const LONGEST: u64 = 24 * 3600 + KEPT;
/// Uses of one service that one authority remembers at the same time. About 200 bytes each in the store: 50 MB.
const MOST: u64 = 250_000;
/// Marks that one transaction removes, beside the checks of the session and of the election.
const BATCH: usize = MAX_OPERATIONS - 2;

/// A use to remember.
pub(crate) struct Used<'a> {
    pub(crate) service: &'a str,
    pub(crate) mark: Hex<32>,
    /// When the token ends, Unix seconds.
    pub(crate) not_after: u64,
    /// Tells one call that is made again from another one.
    pub(crate) attempt: [u8; 16],
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It is remembered, by this attempt.
    Now,
    /// It was there before, or may have been.
    Before,
    /// This authority remembers too many of the service.
    Full,
}

/// What an authority knows without asking the store.
pub(super) struct Uses {
    /// As it was last read; nothing where there is none.
    swept: RwLock<Option<Arc<Stored<SweptRecord>>>>,
    counts: Counts,
}

impl Default for Uses {
    fn default() -> Self {
        Self {
            swept: RwLock::default(),
            counts: Counts::new(MOST, KEPT),
        }
    }
}

impl Registry {
    /// Remembers a use, or says that there was one.
    pub(crate) async fn spend(&self, used: &Used<'_>, now: u64) -> Result<Spent, Failure> {
        if used.not_after > now.saturating_add(LONGEST) {
            return Err(Failure::Invalid(format!(
                "not_after: uses of tokens that end more than {LONGEST} s from now are not remembered"
            )));
        }
        let counts = &self.uses.counts;
        if !counts.take(used.service, 1, used.not_after, now) {
            return Ok(Spent::Full);
        }
        let key = key::used(used.not_after, used.service, &used.mark);
        for _ in 0..ATTEMPTS {
            let swept = self.swept();
            if swept
                .as_ref()
                .is_some_and(|swept| used.not_after <= swept.record.not_after)
            {
                return Ok(Spent::Before);
            }
            let transaction = Transaction::new()
                .rests_on_all_of(key::SWEPT_USED, swept.as_deref())
                .absent(&key)
                .put(&key, used.attempt);
            match self.note(transaction).await {
                Ok(_) => return Ok(Spent::Now),
                Err(Failure::Contended) => {}
                Err(failure) => return Err(failure),
            }
            if let Some(there) = self.store.get(&key).await? {
                let is_own = there.value == used.attempt;
                return Ok(if is_own { Spent::Now } else { Spent::Before });
            }
            self.learn(self.get(key::SWEPT_USED).await?);
        }
        Err(Failure::Contended)
    }

    /// Forgets the uses of tokens that are long over at `now`. How many that were.
    pub(crate) async fn sweep_used(&self, now: u64) -> Result<usize, Failure> {
        let over = now.saturating_sub(KEPT);
        let is_over = |key: &str| key::used_until(key).is_some_and(|until| until <= over);
        let first = self.store.list(key::USED, None, 1).await?.entries;
        if !first.first().is_some_and(|entry| is_over(&entry.key)) {
            return Ok(0);
        }
        // From then on none of them is taken any more, by any authority.
        let swept: Option<Stored<SweptRecord>> = self.get(key::SWEPT_USED).await?;
        if swept
            .as_ref()
            .is_none_or(|swept| swept.record.not_after < over)
        {
            let record = SweptRecord { not_after: over };
            let transaction = Transaction::new()
                .rests_on_all_of(key::SWEPT_USED, swept.as_ref())
                .put(key::SWEPT_USED, record.encode());
            self.note(transaction).await?;
            self.learn(self.get(key::SWEPT_USED).await?);
        }
        let mut removed = 0;
        loop {
            let page = self.store.list(key::USED, None, MAX_PAGE).await?;
            let keys: Vec<_> = page
                .entries
                .into_iter()
                .map(|entry| entry.key)
                .filter(|key| is_over(key))
                .collect();
            for some in keys.chunks(BATCH) {
                let transaction = some.iter().fold(Transaction::new(), |transaction, key| {
                    transaction.delete(key)
                });
                self.note(transaction).await?;
            }
            removed += keys.len();
            if keys.is_empty() {
                return Ok(removed);
            }
        }
    }

    fn swept(&self) -> Option<Arc<Stored<SweptRecord>>> {
        let swept = &self.uses.swept;
        swept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, swept: Option<Stored<SweptRecord>>) {
        let mut known = self
            .uses
            .swept
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = swept.map(Arc::new);
    }
}

#[cfg(test)]
mod tests;
