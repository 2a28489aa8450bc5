//! When each of many agents was there.

use serde::{Deserialize, Serialize};

use crate::moment::{Moment, milliseconds};

/// Milliseconds since something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// Half of the agents were there.
    pub(crate) p50_ms: u64,
    /// All but one in a hundred.
    pub(crate) p99_ms: u64,
    /// All of them.
    pub(crate) max_ms: u64,
}

impl Spread {
    /// Of these moments; all zero for none.
    pub(crate) fn since(start: Moment, mut moments: Vec<Moment>) -> Self {
        moments.sort_unstable();
        // The least rank that holds so many of a hundred.
        let at = |percent: usize| {
            let rank = (moments.len() * percent).div_ceil(100);
            let moment = moments.get(rank.saturating_sub(1));
            moment.map_or(0, |moment| milliseconds(start, *moment))
        };
        Self {
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: at(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_moments_that_happened() {
        let moments = (1..=200).rev().map(|number| 5_000 + number * 1_000);
        let spread = Spread::since(5_000, moments.collect());
        assert_eq!(
            (spread.p50_ms, spread.p99_ms, spread.max_ms),
            (100, 198, 200)
        );
        let one = Spread::since(0, vec![7_000]);
        assert_eq!((one.p50_ms, one.max_ms), (7, 7));
        assert_eq!(Spread::since(0, Vec::new()).max_ms, 0);
    }
}
