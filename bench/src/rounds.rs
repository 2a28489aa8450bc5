//! Rounds that take turns, and what they came to.

use std::time::{Duration, Instant};

const ROUNDS: usize = 15;

/// Each work once in each round, the first round not counted: the median in nanoseconds.
pub fn median_ns<const N: usize>(mut works: [&mut dyn FnMut(); N]) -> [u64; N] {
    let mut took = [const { Vec::new() }; N];
    for round in 0..=ROUNDS {
        for (work, took) in works.iter_mut().zip(&mut took) {
            let began = Instant::now();
            work();
            if round > 0 {
                took.push(began.elapsed());
            }
        }
    }
    took.map(|mut took| {
        let [median, ..] = spread(&mut took);
        u64::try_from(median.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// The median, the 99th percentile and the greatest.
pub fn spread(took: &mut [Duration]) -> [Duration; 3] {
    took.sort_unstable();
    let last = took.len().saturating_sub(1);
    [last / 2, last * 99 / 100, last].map(|at| took.get(at).copied().unwrap_or_default())
}
