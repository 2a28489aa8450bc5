//! The clock that the processes of one measurement have in common.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970.
pub(crate) type Moment = u64;

/// Now.
pub(crate) fn now() -> Moment {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
}

/// Milliseconds from one to the other.
pub(crate) fn milliseconds(from: Moment, to: Moment) -> u64 {
    to.saturating_sub(from) / 1_000
}
