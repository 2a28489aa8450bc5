//! Users who are not all as busy: the k-th of them sends k^-s times as many requests as the first (Zipf).

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// The same requests in each run.
const SEED: u64 = 6;

/// Who sends each of so many requests, of `population` users; users are numbered from 0, the busiest first.
pub(super) fn requests(population: u32, exponent: f64, count: usize) -> Vec<u32> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=population)
        .map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        })
        .collect();
    let mut random = StdRng::seed_from_u64(SEED);
    let draw = |_| {
        let drawn = random.random::<f64>() * sum;
        let rank = sums.partition_point(|sum| *sum <= drawn);
        u32::try_from(rank).map_or(population - 1, |rank| rank.min(population - 1))
    };
    (0..count).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sends_twice_as_many_as_the_second() {
        let requests = requests(100, 1.0, 100_000);
        let of = |user| requests.iter().filter(|request| **request == user).count();
        // The sum of 1/k up to 100 is 5.187.
        for (user, expected) in [(0, 19_278), (1, 9_639), (99, 193)] {
            assert!(
                of(user).abs_diff(expected) < expected / 5,
                "{user}: {}",
                of(user)
            );
        }
        assert!(requests.iter().all(|user| *user < 100));
    }
}
