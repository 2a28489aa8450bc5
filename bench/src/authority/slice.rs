//! A stretch of time in which something was done over and over, and what it cost each program.

use std::time::Duration;

use anyhow::Result;
use cattery_report::{Measured, process::processor_seconds};

/// What one stretch came to.
pub(super) struct Slice {
    /// How often it was done.
    pub(super) done: u64,
    pub(super) took: Duration,
    /// How long each one took; none where nobody looked.
    pub(super) waits: Vec<Duration>,
    pub(super) spent: Spent,
}

/// The programs of a measurement, by their process ids.
#[derive(Clone, Default)]
pub(super) struct Programs {
    pub(super) server: Vec<u32>,
    /// What the server keeps its state in, where that is a program of its own.
    pub(super) store: Vec<u32>,
    pub(super) clients: Vec<u32>,
}

/// Seconds on processors.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    pub(super) server: f64,
    pub(super) store: f64,
    pub(super) clients: f64,
}

impl Programs {
    /// What they have spent until now.
    ///
    /// # Errors
    /// One of them has ended.
    pub(super) fn spent(&self) -> Result<Spent> {
        let sum =
            |ids: &[u32]| -> Result<f64> { ids.iter().map(|id| processor_seconds(*id)).sum() };
        Ok(Spent {
            server: sum(&self.server)?,
            store: sum(&self.store)?,
            clients: sum(&self.clients)?,
        })
    }
}

impl Spent {
    /// What was spent since.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            store: self.store - before.store,
            clients: self.clients - before.clients,
        }
    }
}

/// All stretches of one kind.
pub(super) struct Summary {
    pub(super) per_second: Measured,
    /// Half are answered within this, milliseconds; zero where nobody looked.
    pub(super) p50_ms: Measured,
    pub(super) p99_ms: Measured,
    /// On processors, milliseconds for each.
    pub(super) server_ms: Measured,
    pub(super) store_ms: Measured,
    pub(super) clients_ms: Measured,
}

impl Summary {
    pub(super) fn of(slices: &mut [Slice]) -> Self {
        for slice in &mut *slices {
            slice.waits.sort_unstable();
        }
        let all =
            |of: &dyn Fn(&Slice) -> f64| Measured::of(&slices.iter().map(of).collect::<Vec<_>>());
        let each = |slice: &Slice, seconds: f64| seconds * 1_000.0 / slice.done as f64;
        Self {
            per_second: all(&|slice| slice.done as f64 / slice.took.as_secs_f64()),
            p50_ms: all(&|slice| wait(slice, 50)),
            p99_ms: all(&|slice| wait(slice, 99)),
            server_ms: all(&|slice| each(slice, slice.spent.server)),
            store_ms: all(&|slice| each(slice, slice.spent.store)),
            clients_ms: all(&|slice| each(slice, slice.spent.clients)),
        }
    }
}

/// Of waits in order, milliseconds.
fn wait(slice: &Slice, percent: usize) -> f64 {
    let at = slice.waits.len().saturating_sub(1) * percent / 100;
    slice.waits.get(at).map_or(0.0, Duration::as_secs_f64) * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_each_operation() {
        let waits = (1..=100).rev().map(Duration::from_millis).collect();
        let spent = Spent {
            server: 0.5,
            store: 0.1,
            clients: 1.0,
        };
        let mut slices = [Slice {
            done: 1_000,
            took: Duration::from_secs(2),
            waits,
            spent,
        }];
        let summary = Summary::of(&mut slices);
        let medians = [
            summary.per_second,
            summary.p50_ms,
            summary.p99_ms,
            summary.server_ms,
            summary.store_ms,
            summary.clients_ms,
        ];
        let medians = medians.map(|measured| measured.median);
        assert_eq!(medians, [500.0, 50.0, 99.0, 0.5, 0.1, 1.0]);
    }
}
