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
    fn each_mac_ends_and_keys(lanes in prop::collection::vec((any::<[Words; 2]>(), block()), 0..40)) {
        let (keyed, blocks): (Vec<_>, Vec<_>) = lanes.into_iter().unzip();
        let mac = |([inner, outer], block): (&[Words; 2], _)| expected_outer(&expected(inner, block), outer);
        let right: Vec<_> = keyed.iter().zip(&blocks).map(mac).collect();
        let keys: Vec<_> = right.iter().map(|mac| [expected_key(mac, 0x36), expected_key(mac, 0x5c)]).collect();
        for kernel in Kernel::ALL {
            let mut macs = vec![[0; 8]; keyed.len()];
            kernel.finish_each(&keyed, &blocks, &mut macs);
            prop_assert_eq!(&macs, &right, "{:?}", kernel);
            let mut done = keyed.clone();
            kernel.finish_key_each(&mut done, &blocks);
            prop_assert_eq!(&done, &keys, "{:?}", kernel);
        }
    }

    #[test]
    fn what_has_no_partner_stays(states: Vec<Words>, blocks in prop::collection::vec(block(), 0..40)) {
        let both = states.len().min(blocks.len());
        let other = vec![[[1; 8]; 2]; blocks.len()];
        let keyed = vec![[[5; 8]; 2]; states.len()];
        for kernel in Kernel::ALL {
            let (mut done, mut keys) = (states.clone(), keyed.clone());
            kernel.compress_each(&mut done, &blocks);
            kernel.finish_each(&other, &blocks, &mut done);
            prop_assert_eq!(&done[both..], &states[both..]);
            kernel.finish_key_each(&mut keys, &blocks);
            prop_assert_eq!(&keys[both..], &keyed[both..]);
            kernel.finish_each(&keyed, &blocks[..both], &mut done);
            kernel.key_states_each(&states[..both], &mut keys);
            prop_assert_eq!(&keys[both..], &keyed[both..]);
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
