//! Numbers that many threads add to at once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// Numbers that share two lines of cache: some processors fetch lines in pairs.
const IN_LINE: usize = 16;
/// More would cost memory, and a page is read rarely.
const MOST: usize = 64;

#[repr(align(128))]
#[derive(Default)]
struct Line([AtomicU64; IN_LINE]);

/// So many numbers, each kept once for each few threads, so that threads which add at the same time do so in different memory. Reading
/// sums up.
pub struct Shards {
    lines: Box<[Line]>,
    /// Lines of one shard.
    each: usize,
}

impl Shards {
    /// So many numbers, all 0.
    pub fn new(len: usize) -> Self {
        let each = len.div_ceil(IN_LINE).max(1);
        let shards = available_parallelism().map_or(1, usize::from).min(MOST);
        let lines = (0..each * shards).map(|_| Line::default()).collect();
        Self { lines, each }
    }

    /// Adds to one number. One that is not there is nobody's.
    pub fn add(&self, index: usize, by: u64) {
        let shard = this_thread() % (self.lines.len() / self.each);
        if let Some(number) = self.number(shard, index) {
            number.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// What a number is now.
    pub fn sum(&self, index: usize) -> u64 {
        let shards = 0..self.lines.len() / self.each;
        shards
            .filter_map(|shard| self.number(shard, index))
            .fold(0, |sum, number| {
                sum.wrapping_add(number.load(Ordering::Relaxed))
            })
    }

    fn number(&self, shard: usize, index: usize) -> Option<&AtomicU64> {
        let line = index / IN_LINE;
        if line >= self.each {
            return None;
        }
        let line = self.lines.get(shard * self.each + line)?;
        line.0.get(index % IN_LINE)
    }
}

/// A number of this thread, in the order in which threads first counted something.
fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static THIS: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is ending has none any more, and shares the first.
    THIS.try_with(|this| *this).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_where_many_threads_add() {
        let shards = Shards::new(40);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for n in 0..4_000 {
                        shards.add(n % 40, 2);
                    }
                });
            }
        });
        for index in 0..40 {
            assert_eq!(shards.sum(index), 8 * 100 * 2, "{index}");
        }
    }

    #[test]
    fn a_number_that_is_not_there_changes_nothing() {
        let shards = Shards::new(3);
        shards.add(16, 1);
        shards.add(usize::MAX, 1);
        assert!((0..3).all(|index| shards.sum(index) == 0));
        assert_eq!(shards.sum(usize::MAX), 0);
    }
}
