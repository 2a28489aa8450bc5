//! What is counted, and what must not happen.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What came of one attempt. Valid or not is what the oracle says, and it does not ask the SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Valid, and accepted.
    Accepted,
    /// Valid, and refused: must not happen.
    Refused,
    /// 503 of an agent that nobody has reached for its outage budget.
    PastBudget,
    /// No answer from an agent that was frozen.
    Frozen,
    /// It ran out while it was on its way: either answer is right.
    Ended,
    /// Signed with a key of an epoch that is live.
    LiveForgery,
    /// Signed with a key of a retired epoch, and refused.
    RetiredRefused,
    /// Signed with a key of a retired epoch, and accepted: must not happen.
    RetiredAccepted,
}

/// Counts for the phase that is going on.
#[derive(Default)]
pub(super) struct Tally {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    phase: BTreeMap<Verdict, u64>,
    all: BTreeMap<Verdict, u64>,
    wrong: Vec<String>,
    issued: u64,
    not_issued: u64,
}

/// A phase that is over.
pub(super) struct Phase {
    pub(super) counts: BTreeMap<Verdict, u64>,
    pub(super) issued: u64,
    pub(super) not_issued: u64,
    pub(super) wrong: Vec<String>,
}

impl Tally {
    pub(super) fn count(&self, verdict: Verdict, detail: impl FnOnce() -> String) {
        let mut inner = self.lock();
        *inner.phase.entry(verdict).or_default() += 1;
        *inner.all.entry(verdict).or_default() += 1;
        if matches!(verdict, Verdict::Refused | Verdict::RetiredAccepted) {
            let line = format!("{verdict:?}: {}", detail());
            inner.wrong.push(line);
        }
    }

    pub(super) fn issued(&self, worked: bool) {
        let mut inner = self.lock();
        match worked {
            true => inner.issued += 1,
            false => inner.not_issued += 1,
        }
    }

    /// Verifications of the phase so far.
    pub(super) fn verifications(&self) -> u64 {
        self.lock().phase.values().sum()
    }

    /// Since the story began.
    pub(super) fn of_all(&self, verdict: Verdict) -> u64 {
        self.lock().all.get(&verdict).copied().unwrap_or(0)
    }

    /// Ends a phase.
    pub(super) fn end_phase(&self) -> Phase {
        let mut inner = self.lock();
        Phase {
            counts: std::mem::take(&mut inner.phase),
            issued: std::mem::take(&mut inner.issued),
            not_issued: std::mem::take(&mut inner.not_issued),
            wrong: std::mem::take(&mut inner.wrong),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    /// One line for whoever reads along.
    pub(super) fn line(&self, name: &str) -> String {
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(verdict, count)| format!("{verdict:?} {count}"))
            .collect();
        format!(
            "{name}: {}; keys issued {}, not issued {}",
            counts.join(", "),
            self.issued,
            self.not_issued
        )
    }
}
