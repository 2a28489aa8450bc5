//! This computer's clock, and how far it is from the authority's.

use std::time::{Duration, SystemTime};

/// Difference of clocks from which on tokens are dated by the authority's (verifiers forgive 30 s).
const NOTABLE_SKEW_MS: u64 = 5_000;

/// The authority's clock minus this one's in seconds, where that is worth speaking of.
pub(super) fn offset(server_time_ms: u64, middle_ms: u64) -> i64 {
    let difference = i128::from(server_time_ms) - i128::from(middle_ms);
    let difference_ms = i64::try_from(difference).unwrap_or(i64::MAX);
    if server_time_ms == 0 || difference_ms.unsigned_abs() < NOTABLE_SKEW_MS {
        return 0;
    }
    tracing::warn!(
        difference_ms,
        "this computer's clock differs from the authority's: tokens are dated by the authority's"
    );
    difference_ms / 1000
}

fn since_1970() -> Option<Duration> {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
}

pub(super) fn unix_millis() -> u64 {
    since_1970()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// Unix seconds; `None` before 1970.
pub(crate) fn unix_now() -> Option<u64> {
    since_1970().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_difference_is_none() {
        assert_eq!(offset(1_004_999, 1_000_000), 0);
        assert_eq!(offset(1_060_000, 1_000_000), 60);
        assert_eq!(offset(1_000_000, 1_060_000), -60);
        assert_eq!(offset(0, 1_000_000), 0); // it does not say
    }
}
