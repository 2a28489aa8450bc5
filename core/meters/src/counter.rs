//! Counters.

use std::marker::PhantomData;

use crate::label::Labels;
use crate::shards::Shards;

/// A counter for each combination of labels.
pub struct Counter<L> {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    counts: Shards,
    others: usize,
    labels: PhantomData<fn(L)>,
}

impl<L: Labels> Counter<L> {
    /// All at 0. The page adds `_total` to the name.
    pub fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            counts: Shards::new(L::all().len()),
            others: L::others(),
            labels: PhantomData,
        }
    }

    /// One more.
    pub fn add(&self, labels: L) {
        self.add_many(labels, 1);
    }

    /// So many more.
    pub fn add_many(&self, labels: L, by: u64) {
        self.counts.add(labels.index(self.others), by);
    }

    /// How many so far.
    pub fn count(&self, labels: L) -> u64 {
        self.counts.sum(labels.index(self.others))
    }
}
