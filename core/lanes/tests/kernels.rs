//! Every kernel that this processor has does what `sha2` and `hmac` do, for any number of messages.
#![allow(clippy::unwrap_used)]

use cattery_lanes::{
    Block, INITIAL, Kernel, Words, compress, fastest, finish, finish_key, key_states,
};
use proptest::{array::uniform32, prelude::*};
use sha2::block_api::compress256;

fn expected(state: &Words, block: &Block) -> Words {
    let mut state = *state;
    compress256(&mut state, &[*block]);
    state
}

/// RFC 2104: the key, filled up with zeros, under a pad.
fn expected_key(key: &Words, pad: u8) -> Words {
    let mut block = [pad; 64];
    for (place, byte) in block.iter_mut().zip(bytes(key)) {
        *place ^= byte;
    }
    expected(&INITIAL, &block)
}

fn expected_outer(inner: &Words, outer: &Words) -> Words {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&bytes(inner));
    block[32] = 0x80;
    block[62..].copy_from_slice(&(96_u16 * 8).to_be_bytes());
    expected(outer, &block)
}

fn bytes(words: &Words) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn block() -> impl Strategy<Value = Block> {
    [uniform32(any::<u8>()), uniform32(any::<u8>())]
        .prop_map(|halves| halves.as_flattened().try_into().unwrap())
}

proptest! {
    #[test]
    fn each_lane_is_a_compression(lanes in prop::collection::vec((any::<Words>(), block()), 0..40)) {
        let (states, blocks): (Vec<_>, Vec<_>) = lanes.into_iter().unzip();
        let right: Vec<_> = states.iter().zip(&blocks).map(|(state, block)| expected(state, block)).collect();
        for kernel in Kernel::ALL {
            let mut done = states.clone();
            kernel.compress_each(&mut done, &blocks);
            prop_assert_eq!(&done, &right, "{:?}", kernel);
        }
    }

    #[test]
    fn each_key_has_its_states(keys in prop::collection::vec(any::<Words>(), 0..40)) {
        let right: Vec<_> = keys.iter().map(|key| [expected_key(key, 0x36), expected_key(key, 0x5c)]).collect();
        for kernel in Kernel::ALL {
            let mut states = vec![[[0; 8]; 2]; keys.len()];
            kernel.key_states_each(&keys, &mut states);
            prop_assert_eq!(&states, &right, "{:?}", kernel);
        }
        prop_assert_eq!(keys.iter().map(key_states).collect::<Vec<_>>(), right);
    }

    #[test]
    fn each_outer_hash_ends_its_inner_one(pairs in prop::collection::vec(any::<(Words, Words)>(), 0..40)) {
        let (inner, outer): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let right: Vec<_> = inner.iter().zip(&outer).map(|(inner, outer)| expected_outer(inner, outer)).collect();
        for kernel in Kernel::ALL {
            let mut done = inner.clone();
            kernel.outer_each(&mut done, &outer);
            prop_assert_eq!(&done, &right, "{:?}", kernel);
        }
    }

    #[test]
    fn what_has_no_partner_stays(states: Vec<Words>, blocks in prop::collection::vec(block(), 0..40)) {
        let both = states.len().min(blocks.len());
        let outer = vec![[1; 8]; blocks.len()];
        let mut key_states = vec![[[5; 8]; 2]; states.len()];
        for kernel in Kernel::ALL {
            let mut done = states.clone();
            kernel.compress_each(&mut done, &blocks);
            kernel.outer_each(&mut done, &outer);
            prop_assert_eq!(&done[both..], &states[both..]);
            kernel.key_states_each(&outer, &mut key_states);
            prop_assert!(key_states[both..].iter().all(|states| *states == [[5; 8]; 2]));
        }
    }

    #[test]
    fn one_message_is_compressed_and_finished(state: Words, outer: Words, blocks in prop::collection::vec(block(), 0..4)) {
        let right = blocks.iter().fold(state, |state, block| expected(&state, block));
        let mut done = state;
        compress(&mut done, &blocks);
        prop_assert_eq!(done, right);
        let mac = expected_outer(&right, &outer);
        prop_assert_eq!(finish(&state, &blocks, &outer), mac);
        let key = [expected_key(&mac, 0x36), expected_key(&mac, 0x5c)];
        prop_assert_eq!(finish_key(&state, &blocks, &outer), key);
    }
}

/// What the tests above compare is more than `sha2` with itself, where the processor has more.
#[test]
fn the_fastest_is_one_that_there_is() {
    for at_once in [1, 2, 16, 100] {
        let kernel = fastest(at_once);
        assert!(kernel.is_available());
        println!("{at_once} at once: {kernel:?}, {} lanes", kernel.lanes());
    }
}
