//! The lengths of time that the rotation of keys reckons with.

use std::time::Duration;

use cattery_core::epoch::Timing;

use crate::bulletin::CONFIRMED;

/// How long an authority that is silent keeps its session in the store.
pub(crate) const SESSION: Duration = Duration::from_secs(10);
/// How long after the clock was read a change that rests on it may be sent to the store.
pub(crate) const DECISION: Duration = Duration::from_secs(2);

/// For clocks that differ by at most `leeway`.
///
/// Twice the session's length, since etcd gives every session its whole length anew when it elects a leader.
pub(crate) const fn timing(leeway: Duration) -> Timing {
    Timing {
        leeway: leeway.as_secs(),
        confirmed: CONFIRMED.as_secs(),
        session: 2 * SESSION.as_secs() + DECISION.as_secs(),
    }
}
