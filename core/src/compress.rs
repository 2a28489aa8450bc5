//! SHA-256's compressions, which everything in here costs so many of; counted in tests.

use cattery_lanes::Kernel;
pub(crate) use cattery_lanes::{Block, INITIAL, Words};

#[inline]
pub(crate) fn compress(state: &mut Words, blocks: &[Block]) {
    #[cfg(test)]
    count::add(blocks.len());
    cattery_lanes::compress(state, blocks);
}

#[inline]
pub(crate) fn key_states(key: &Words) -> [Words; 2] {
    #[cfg(test)]
    count::add(2);
    cattery_lanes::key_states(key)
}

#[inline]
pub(crate) fn finish(inner: &Words, last: &[Block], outer: &Words) -> Words {
    #[cfg(test)]
    count::add(last.len() + 1);
    cattery_lanes::finish(inner, last, outer)
}

#[inline]
pub(crate) fn finish_key(inner: &Words, last: &[Block], outer: &Words) -> [Words; 2] {
    #[cfg(test)]
    count::add(last.len() + 3);
    cattery_lanes::finish_key(inner, last, outer)
}

/// Several at a time; each lane counts.
#[derive(Clone, Copy)]
pub(crate) struct Many(Kernel);

impl Many {
    /// What is fastest for so many.
    pub(crate) fn of(lanes: usize) -> Self {
        Self(cattery_lanes::fastest(lanes))
    }

    pub(crate) fn compress(self, states: &mut [Words], blocks: &[Block]) {
        #[cfg(test)]
        count::add(states.len());
        self.0.compress_each(states, blocks);
    }

    pub(crate) fn key_states(self, keys: &[Words], keyed: &mut [[Words; 2]]) {
        #[cfg(test)]
        count::add(2 * keys.len());
        self.0.key_states_each(keys, keyed);
    }

    pub(crate) fn finish(self, keyed: &[[Words; 2]], blocks: &[Block], macs: &mut [Words]) {
        #[cfg(test)]
        count::add(2 * keyed.len());
        self.0.finish_each(keyed, blocks, macs);
    }

    pub(crate) fn finish_key(self, keyed: &mut [[Words; 2]], blocks: &[Block]) {
        #[cfg(test)]
        count::add(4 * keyed.len());
        self.0.finish_key_each(keyed, blocks);
    }
}

#[inline]
pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Words {
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|at| u32::from_be_bytes(words[at]))
}

#[inline]
pub(crate) fn to_bytes(words: &Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_be_bytes();
    }
    bytes
}

/// How many compressions this thread has done.
#[cfg(test)]
pub(crate) mod count {
    use std::cell::Cell;

    thread_local! {
        static DONE: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn add(blocks: usize) {
        DONE.set(DONE.get() + blocks);
    }

    /// Those of `work`.
    pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = DONE.get();
        let result = work();
        (result, DONE.get() - before)
    }
}
