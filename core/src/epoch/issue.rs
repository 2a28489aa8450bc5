//! Whether an authority may issue leases on what it knows.

use super::guard::Guard;
use super::line::Line;
use super::timing::Timing;

/// Leave to issue leases, from `now` of the same moment on: a lease ends at `now` + its length, which is at most the greatest lease in
/// the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Number of the key.
    pub number: u32,
}

/// The view is too old to issue on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store confirmed this view {ago} s ago, and {limit} s is the limit; wait for the store, or ask another authority"
)]
pub struct Stale {
    /// How long ago the store confirmed the view, in seconds.
    pub ago: u64,
    /// The limit, in seconds.
    pub limit: u64,
}

/// Which key to issue from. `confirmed_ago` is the time in seconds, rounded up, since this authority *asked* the store for the answer
/// that confirmed `line`; the caller reads the clock that a lease's end counts from no later than it takes this time.
///
/// # Errors
/// [`Stale`] if that is longer than [`Timing::confirmed`].
pub fn may_issue(line: &Line, confirmed_ago: u64, timing: &Timing) -> Result<Issue, Stale> {
    may_issue_without(line, confirmed_ago, timing, None)
}

#[doc(hidden)]
pub fn may_issue_without(
    line: &Line,
    confirmed_ago: u64,
    timing: &Timing,
    removed: Option<Guard>,
) -> Result<Issue, Stale> {
    if confirmed_ago > timing.confirmed && Guard::ConfirmedView.stays(removed) {
        return Err(Stale {
            ago: confirmed_ago,
            limit: timing.confirmed,
        });
    }
    Ok(Issue {
        number: line.active().number,
    })
}
