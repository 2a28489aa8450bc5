//! What the audit log counts and times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cattery_meters::{Counter, Histogram, REMOTE, label};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuditResult {
    Written,
    Failed,
}

label!(AuditResult, "result", Written => "written", Failed => "failed");

/// All of it.
pub(crate) struct AuditMeters {
    pub(crate) records: Counter<AuditResult>,
    pub(crate) duration: Histogram<()>,
    waiting: AtomicU64,
}

impl Default for AuditMeters {
    fn default() -> Self {
        Self {
            records: Counter::new(
                "cattery_authority_audit_records",
                "Records for the audit log, by whether they are on the disk",
            ),
            duration: Histogram::new(
                "cattery_authority_audit_write_duration_seconds",
                "From a record's wish to be written until it is on the disk",
                REMOTE,
            ),
            waiting: AtomicU64::new(0),
        }
    }
}

impl AuditMeters {
    /// A record waits, until the answer is dropped.
    pub(super) fn waits(&self) -> Waits<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waits {
            meters: self,
            since: Instant::now(),
            result: AuditResult::Failed,
        }
    }

    /// Records that are not on the disk yet.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

pub(super) struct Waits<'a> {
    meters: &'a AuditMeters,
    since: Instant,
    pub(super) result: AuditResult,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.meters.waiting.fetch_sub(1, Ordering::Relaxed);
        self.meters.records.add(self.result);
        self.meters.duration.observe((), self.since.elapsed());
    }
}
