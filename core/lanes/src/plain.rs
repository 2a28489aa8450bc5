//! By `sha2`, which has its own instructions for other processors.

use sha2::block_api::compress256;

use crate::{Block, INITIAL, Words, key_blocks, outer_block};

pub(crate) fn compress(state: &mut Words, blocks: &[Block]) {
    compress256(state, blocks);
}

pub(crate) fn compress_each(states: &mut [Words], blocks: &[Block]) {
    for (state, block) in states.iter_mut().zip(blocks) {
        compress256(state, &[*block]);
    }
}

pub(crate) fn key_states(key: &Words) -> [Words; 2] {
    key_blocks(key).map(|block| hashed(&INITIAL, &block))
}

pub(crate) fn key_states_each(keys: &[Words], states: &mut [[Words; 2]]) {
    for (key, states) in keys.iter().zip(states) {
        *states = key_states(key);
    }
}

pub(crate) fn finish_each(keyed: &[[Words; 2]], blocks: &[Block], macs: &mut [Words]) {
    for (([inner, outer], block), mac) in keyed.iter().zip(blocks).zip(macs) {
        *mac = finish(inner, &[*block], outer);
    }
}

pub(crate) fn finish_key_each(keyed: &mut [[Words; 2]], blocks: &[Block]) {
    for (keyed, block) in keyed.iter_mut().zip(blocks) {
        let [inner, outer] = &*keyed;
        *keyed = key_states(&finish(inner, &[*block], outer));
    }
}

pub(crate) fn finish(inner: &Words, last: &[Block], outer: &Words) -> Words {
    let mut inner = *inner;
    compress256(&mut inner, last);
    hashed(outer, &outer_block(&inner))
}

fn hashed(state: &Words, block: &[u32; 16]) -> Words {
    let (mut state, mut bytes) = (*state, [0; 64]);
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(block) {
        *place = word.to_be_bytes();
    }
    compress256(&mut state, &[bytes]);
    state
}
