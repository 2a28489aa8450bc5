//! Every kernel against `sha2`.
#![no_main]

use arbitrary::Arbitrary;
use cattery_lanes::{Block, INITIAL, Kernel, Words, finish, finish_key, key_states};
use libfuzzer_sys::fuzz_target;
use sha2::block_api::compress256;

#[derive(Arbitrary, Debug)]
struct Lane {
    state: Words,
    outer: Words,
    block: Block,
}

fn compressed(state: &Words, block: &Block) -> Words {
    let mut state = *state;
    compress256(&mut state, &[*block]);
    state
}

fn bytes(words: &Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn keyed(key: &Words, pad: u8) -> Words {
    let mut block = [pad; 64];
    for (place, byte) in block.iter_mut().zip(bytes(key)) {
        *place ^= byte;
    }
    compressed(&INITIAL, &block)
}

fn outer(inner: &Words, outer: &Words) -> Words {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&bytes(inner));
    block[32] = 0x80;
    block[62..].copy_from_slice(&(96_u16 * 8).to_be_bytes());
    compressed(outer, &block)
}

fuzz_target!(|lanes: Vec<Lane>| {
    let states: Vec<_> = lanes.iter().map(|lane| lane.state).collect();
    let pairs: Vec<_> = lanes.iter().map(|lane| [lane.state, lane.outer]).collect();
    let blocks: Vec<_> = lanes.iter().map(|lane| lane.block).collect();
    for kernel in Kernel::ALL {
        let mut done = states.clone();
        kernel.compress_each(&mut done, &blocks);
        assert!(done.iter().zip(&lanes).all(|(done, lane)| *done == compressed(&lane.state, &lane.block)));
        let mut next = pairs.clone();
        kernel.finish_each(&pairs, &blocks, &mut done);
        kernel.finish_key_each(&mut next, &blocks);
        for ((done, next), lane) in done.iter().zip(&next).zip(&lanes) {
            let inner = compressed(&lane.state, &lane.block);
            assert_eq!(*done, outer(&inner, &lane.outer));
            assert_eq!(finish(&lane.state, &[lane.block], &lane.outer), *done);
            assert_eq!(*next, [keyed(done, 0x36), keyed(done, 0x5c)]);
            assert_eq!(finish_key(&lane.state, &[lane.block], &lane.outer), *next);
        }
        let mut keys = vec![[[0; 8]; 2]; states.len()];
        kernel.key_states_each(&states, &mut keys);
        for (keys, state) in keys.iter().zip(&states) {
            assert_eq!(*keys, [keyed(state, 0x36), keyed(state, 0x5c)]);
            assert_eq!(key_states(state), *keys);
        }
    }
});
