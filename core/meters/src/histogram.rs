//! Histograms of durations.

use std::marker::PhantomData;
use std::time::Duration;

use crate::label::Labels;
use crate::shards::Shards;

/// Upper bounds in microseconds for what is done on this machine: microseconds to seconds.
pub const LOCAL: &[u64] = &[
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000,
];
/// Upper bounds in microseconds for what waits for a disk or a network: a tenth of a millisecond to what no client waits for.
pub const REMOTE: &[u64] = &[
    100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// A histogram for each combination of labels.
pub struct Histogram<L> {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// Microseconds, ascending.
    bounds: &'static [u64],
    /// For each combination: a count for each bound, one for what is beyond, and the sum in nanoseconds.
    numbers: Shards,
    others: usize,
    labels: PhantomData<fn(L)>,
}

impl<L: Labels> Histogram<L> {
    /// All at 0, with these upper bounds in microseconds, ascending. The name ends with `_seconds`.
    pub fn new(name: &'static str, help: &'static str, bounds: &'static [u64]) -> Self {
        Self {
            name,
            help,
            bounds,
            numbers: Shards::new(L::all().len() * (bounds.len() + 2)),
            others: L::others(),
            labels: PhantomData,
        }
    }

    /// Something took so long.
    pub fn observe(&self, labels: L, took: Duration) {
        self.observe_many(labels, took, 1);
    }

    /// So many things took so long each.
    pub fn observe_many(&self, labels: L, took: Duration, many: u64) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self
            .bounds
            .partition_point(|bound| bound.saturating_mul(1_000) < nanos);
        let first = self.first(labels);
        self.numbers.add(first + bucket, many);
        let nanos = nanos.saturating_mul(many);
        self.numbers.add(first + self.bounds.len() + 1, nanos);
    }

    /// (seconds, count of what took no longer and longer than the bound before) for each bound, then for what is beyond all.
    pub(crate) fn buckets(&self, labels: L) -> Vec<(f64, u64)> {
        let first = self.first(labels);
        let bounds = self.bounds.iter();
        let seconds = bounds.map(|micros| Duration::from_micros(*micros).as_secs_f64());
        seconds
            .chain([f64::INFINITY])
            .enumerate()
            .map(|(bucket, bound)| (bound, self.numbers.sum(first + bucket)))
            .collect()
    }

    /// Seconds, together.
    pub(crate) fn sum(&self, labels: L) -> f64 {
        let sum = self.first(labels) + self.bounds.len() + 1;
        Duration::from_nanos(self.numbers.sum(sum)).as_secs_f64()
    }

    fn first(&self, labels: L) -> usize {
        labels.index(self.others) * (self.bounds.len() + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::tests::Cat;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_has_room_for_it() {
        let histogram = Histogram::<Cat>::new("purr_seconds", "", LOCAL);
        let micros = Duration::from_micros;
        for took in [
            Duration::ZERO,
            micros(10),
            micros(10) + Duration::from_nanos(1),
            Duration::from_secs(60),
        ] {
            histogram.observe(Cat::Tuxedo, took);
        }
        let counts: Vec<_> = histogram.buckets(Cat::Tuxedo);
        assert_eq!(counts[..3], [(0.000_01, 2), (0.000_025, 1), (0.000_05, 0)]);
        assert_eq!(counts.last(), Some(&(f64::INFINITY, 1)));
        assert!((histogram.sum(Cat::Tuxedo) - 60.000_020_001).abs() < 1e-9);
        assert!(histogram.buckets(Cat::Tabby).iter().all(|(_, n)| *n == 0));
    }

    #[test]
    fn many_are_as_many_times_one() {
        let [one, many] = [(); 2].map(|()| Histogram::<Cat>::new("purr_seconds", "", LOCAL));
        let took = Duration::from_micros(30);
        (0..3).for_each(|_| one.observe(Cat::Tabby, took));
        many.observe_many(Cat::Tabby, took, 3);
        assert_eq!(one.buckets(Cat::Tabby), many.buckets(Cat::Tabby));
        assert!((one.sum(Cat::Tabby) - many.sum(Cat::Tabby)).abs() < 1e-9);
    }

    #[test]
    fn bounds_ascend() {
        for bounds in [LOCAL, REMOTE] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
