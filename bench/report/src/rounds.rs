//! Rounds that take turns, and what they came to.

use std::{
    fmt,
    time::{Duration, Instant},
};

const ROUNDS: usize = 15;
/// So long is one work's part of a round: long enough for the clock, short enough that a disturbance meets one round and not one work.
const SLICE: Duration = Duration::from_micros(500);
/// How many rounds there are where nobody says otherwise.
pub const SLICES: usize = 301;

/// A median with its spread: a quarter of all rounds lie below `low`, and a quarter above `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The median.
    pub median: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile.
    pub high: f64,
}

impl Measured {
    /// Of one value per round; all zero where there is none.
    pub fn of(values: &[f64]) -> Self {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Self {
            median: at(last / 2),
            low: at(last / 4),
            high: at(last * 3 / 4),
        }
    }

    /// How many times as much as another one: the ratio of the medians.
    pub fn over(&self, other: &Self) -> f64 {
        self.median / other.median
    }

    /// Without so much that is in each of its rounds.
    #[must_use]
    pub fn less(&self, constant: f64) -> Self {
        Self {
            median: self.median - constant,
            low: self.low - constant,
            high: self.high - constant,
        }
    }

    /// The same in another unit.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self {
            median: self.median * factor,
            low: self.low * factor,
            high: self.high * factor,
        }
    }
}

/// `352 (350–357)`, with the decimals that the format asks for.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        write!(f, "{:.decimals$} ", self.median)?;
        write!(f, "({:.decimals$}–{:.decimals$})", self.low, self.high)
    }
}

/// Something that is done over and over.
pub struct Work<'a> {
    name: String,
    run: Box<dyn FnMut() + 'a>,
    operations: u64,
}

impl<'a> Work<'a> {
    /// Each `run` is one operation.
    pub fn new(name: &str, run: impl FnMut() + 'a) -> Self {
        Self::of_many(name, 1, run)
    }

    /// Each `run` is so many operations.
    pub fn of_many(name: &str, operations: u64, run: impl FnMut() + 'a) -> Self {
        Self {
            name: name.to_owned(),
            run: Box::new(run),
            operations,
        }
    }
}

/// Nanoseconds per operation of each work, in their order. In each of 301 rounds each of them runs for half a millisecond, so that all meet
/// the same machine, whatever else it does.
pub fn interleave(works: Vec<Work<'_>>) -> Vec<(String, Measured)> {
    interleave_in(SLICES, works)
}

/// The same in so many rounds: few are for trying out whether it can be measured.
pub fn interleave_in(rounds: usize, works: Vec<Work<'_>>) -> Vec<(String, Measured)> {
    let mut works: Vec<_> = works
        .into_iter()
        .map(|mut work| {
            let calls = calibrate(&mut work.run);
            (work, calls, Vec::with_capacity(rounds))
        })
        .collect();
    for _ in 0..rounds {
        for (work, calls, took) in &mut works {
            let began = Instant::now();
            for _ in 0..*calls {
                (work.run)();
            }
            let operations = *calls * work.operations;
            took.push(began.elapsed().as_nanos() as f64 / operations as f64);
        }
    }
    works
        .into_iter()
        .map(|(work, _, took)| (work.name, Measured::of(&took)))
        .collect()
}

/// How many calls fill a slice.
fn calibrate(run: &mut dyn FnMut()) -> u64 {
    let mut calls = 1;
    loop {
        let began = Instant::now();
        for _ in 0..calls {
            run();
        }
        if began.elapsed() >= SLICE {
            return calls;
        }
        calls *= 2;
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_the_rounds() {
        let all = Measured::of(&[5.0, 1.0, 4.0, 2.0, 3.0]);
        let expected = Measured {
            median: 3.0,
            low: 2.0,
            high: 4.0,
        };
        assert_eq!(all, expected);
        assert_eq!(format!("{all:.1}"), "3.0 (2.0–4.0)");
        assert_eq!(Measured::of(&[]).median, 0.0);
    }

    #[test]
    fn each_work_has_its_own_result_in_its_place() {
        let (mut one, mut four) = (0_u64, 0_u64);
        let took = interleave(vec![
            Work::new("one", || one += 1),
            Work::of_many("four at once", 4, || four += 4),
        ]);
        let names: Vec<_> = took.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, ["one", "four at once"]);
        assert!(took.iter().all(|(_, took)| took.median > 0.0), "{took:?}");
        assert!(one > 0 && four > 0);
    }
}
