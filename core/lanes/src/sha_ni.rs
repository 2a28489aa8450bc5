//! With the SHA extensions (Intel, "Intel SHA Extensions", 2013): one message, or two whose rounds take turns.
#![allow(unsafe_code)] // instructions that the processor has to have, and loads and stores of vectors

use std::arch::x86_64::*;
use std::slice;

use crate::rounds::K;
use crate::{Block, INITIAL, INNER_PAD, OUTER_BITS, OUTER_PAD, Words};

#[inline]
pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1")
}

#[inline]
pub(crate) fn compress(state: &mut Words, blocks: &[Block]) {
    // SAFETY: whoever calls has asked `is_available`.
    unsafe { compress_inner(state, blocks) }
}

#[inline]
pub(crate) fn compress_each(states: &mut [Words], blocks: &[Block]) {
    // SAFETY: as above.
    unsafe { compress_each_inner(states, blocks) }
}

#[inline]
pub(crate) fn key_states(key: &Words) -> [Words; 2] {
    // SAFETY: as above.
    unsafe { key_states_inner(key) }
}

pub(crate) fn key_states_each(keys: &[Words], keyed: &mut [[Words; 2]]) {
    for (key, keyed) in keys.iter().zip(keyed) {
        *keyed = key_states(key);
    }
}

pub(crate) fn finish_each(keyed: &[[Words; 2]], blocks: &[Block], macs: &mut [Words]) {
    // SAFETY: as above.
    unsafe { finish_each_inner(keyed, blocks, macs) }
}

pub(crate) fn finish_key_each(keyed: &mut [[Words; 2]], blocks: &[Block]) {
    // SAFETY: as above.
    unsafe { finish_key_each_inner(keyed, blocks) }
}

#[inline]
pub(crate) fn finish(inner: &Words, last: &[Block], outer: &Words) -> Words {
    // SAFETY: as above.
    unsafe { finish_inner(inner, last, outer) }
}

#[inline]
pub(crate) fn finish_key(inner: &Words, last: &[Block], outer: &Words) -> [Words; 2] {
    // SAFETY: as above.
    unsafe { finish_key_inner(inner, last, outer) }
}

#[target_feature(enable = "sha,sse4.1")]
fn compress_inner(state: &mut Words, blocks: &[Block]) {
    let mut lane = [State::load(state)];
    for block in blocks {
        compress_lanes(&mut lane, [Message::load(block)]);
    }
    lane[0].store(state);
}

#[target_feature(enable = "sha,sse4.1")]
fn compress_each_inner(states: &mut [Words], blocks: &[Block]) {
    let len = states.len().min(blocks.len());
    let (pairs, odd) = states[..len].as_chunks_mut::<2>();
    let (block_pairs, odd_block) = blocks[..len].as_chunks::<2>();
    for (pair, [left, right]) in pairs.iter_mut().zip(block_pairs) {
        let mut lanes = [State::load(&pair[0]), State::load(&pair[1])];
        compress_lanes(&mut lanes, [Message::load(left), Message::load(right)]);
        lanes[0].store(&mut pair[0]);
        lanes[1].store(&mut pair[1]);
    }
    for (state, block) in odd.iter_mut().zip(odd_block) {
        let mut lane = [State::load(state)];
        compress_lanes(&mut lane, [Message::load(block)]);
        lane[0].store(state);
    }
}

#[target_feature(enable = "sha,sse4.1")]
fn key_states_inner(key: &Words) -> [Words; 2] {
    states_of(load(key))
}

#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn states_of(key: [__m128i; 2]) -> [Words; 2] {
    let mut lanes = [State::load(&INITIAL); 2];
    compress_lanes(
        &mut lanes,
        [Message::pad(key, INNER_PAD), Message::pad(key, OUTER_PAD)],
    );
    let mut states = [[0; 8]; 2];
    lanes[0].store(&mut states[0]);
    lanes[1].store(&mut states[1]);
    states
}

#[target_feature(enable = "sha,sse4.1")]
fn finish_each_inner(keyed: &[[Words; 2]], blocks: &[Block], macs: &mut [Words]) {
    let len = keyed.len().min(blocks.len()).min(macs.len());
    let (pairs, odd) = keyed[..len].as_chunks::<2>();
    let (block_pairs, odd_block) = blocks[..len].as_chunks::<2>();
    let (mac_pairs, odd_mac) = macs[..len].as_chunks_mut::<2>();
    for ((pair, blocks), macs) in pairs.iter().zip(block_pairs).zip(mac_pairs) {
        let states = mac_lanes(
            pair.each_ref().map(|[inner, outer]| (inner, outer)),
            blocks.each_ref().map(slice::from_ref),
        );
        for (state, mac) in states.into_iter().zip(macs) {
            state.store(mac);
        }
    }
    for (([inner, outer], block), mac) in odd.iter().zip(odd_block).zip(odd_mac) {
        *mac = finish_inner(inner, slice::from_ref(block), outer);
    }
}

#[target_feature(enable = "sha,sse4.1")]
fn finish_key_each_inner(keyed: &mut [[Words; 2]], blocks: &[Block]) {
    let len = keyed.len().min(blocks.len());
    let (pairs, odd) = keyed[..len].as_chunks_mut::<2>();
    let (block_pairs, odd_block) = blocks[..len].as_chunks::<2>();
    for (pair, blocks) in pairs.iter_mut().zip(block_pairs) {
        let states = mac_lanes(
            pair.each_ref().map(|[inner, outer]| (inner, outer)),
            blocks.each_ref().map(slice::from_ref),
        );
        for (state, keyed) in states.into_iter().zip(pair) {
            *keyed = states_of(state.words());
        }
    }
    for (keyed, block) in odd.iter_mut().zip(odd_block) {
        *keyed = finish_key_inner(&keyed[0], slice::from_ref(block), &keyed[1]);
    }
}

#[target_feature(enable = "sha,sse4.1")]
fn finish_inner(inner: &Words, last: &[Block], outer: &Words) -> Words {
    let [state] = mac_lanes([(inner, outer)], [last]);
    let mut out = [0; 8];
    state.store(&mut out);
    out
}

#[target_feature(enable = "sha,sse4.1")]
fn finish_key_inner(inner: &Words, last: &[Block], outer: &Words) -> [Words; 2] {
    let [state] = mac_lanes([(inner, outer)], [last]);
    states_of(state.words())
}

/// MACs from these states of the inner and of the outer pad on, with last blocks of one number in each lane.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn mac_lanes<const N: usize>(keyed: [(&Words, &Words); N], last: [&[Block]; N]) -> [State; N] {
    let mut lanes = keyed.map(|(inner, _)| State::load(inner));
    for number in 0..last[0].len() {
        compress_lanes(
            &mut lanes,
            last.map(|blocks| Message::load(&blocks[number])),
        );
    }
    let messages = lanes.map(|state| Message::outer(state.words()));
    let mut lanes = keyed.map(|(_, outer)| State::load(outer));
    compress_lanes(&mut lanes, messages);
    lanes
}

/// A state as the instructions want it: the words a, b, e, f and c, d, g, h, from the highest down.
#[derive(Clone, Copy)]
struct State {
    abef: __m128i,
    cdgh: __m128i,
}

impl State {
    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn load(words: &Words) -> Self {
        let [dcba, hgfe] = load(words);
        let cdab = _mm_shuffle_epi32::<0xb1>(dcba);
        let efgh = _mm_shuffle_epi32::<0x1b>(hgfe);
        Self {
            abef: _mm_alignr_epi8::<8>(cdab, efgh),
            cdgh: _mm_blend_epi16::<0xf0>(efgh, cdab),
        }
    }

    /// In the order of memory.
    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn words(self) -> [__m128i; 2] {
        let feba = _mm_shuffle_epi32::<0x1b>(self.abef);
        let dchg = _mm_shuffle_epi32::<0xb1>(self.cdgh);
        [
            _mm_blend_epi16::<0xf0>(feba, dchg),
            _mm_alignr_epi8::<8>(dchg, feba),
        ]
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn store(self, words: &mut Words) {
        let [low, high] = self.words();
        let to: *mut __m128i = words.as_mut_ptr().cast();
        // SAFETY: 32 bytes, and no alignment is asked for.
        unsafe {
            _mm_storeu_si128(to, low);
            _mm_storeu_si128(to.add(1), high);
        }
    }
}

/// The last 16 words of the message schedule, four to a vector.
#[derive(Clone, Copy)]
struct Message([__m128i; 4]);

impl Message {
    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn load(block: &Block) -> Self {
        let from: *const __m128i = block.as_ptr().cast();
        let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        Self(std::array::from_fn(|at| {
            // SAFETY: 64 bytes, and no alignment is asked for.
            let bytes = unsafe { _mm_loadu_si128(from.add(at)) };
            _mm_shuffle_epi8(bytes, big_endian)
        }))
    }

    /// A key's pad.
    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn pad([low, high]: [__m128i; 2], pad: u32) -> Self {
        let pad = _mm_set1_epi32(pad.cast_signed());
        Self([_mm_xor_si128(low, pad), _mm_xor_si128(high, pad), pad, pad])
    }

    /// The last block of the outer hash.
    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn outer([low, high]: [__m128i; 2]) -> Self {
        let end = _mm_set_epi32(0, 0, 0, i32::MIN); // the bit behind the message
        let length = _mm_set_epi32(OUTER_BITS.cast_signed(), 0, 0, 0);
        Self([low, high, end, length])
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(words: &Words) -> [__m128i; 2] {
    let from: *const __m128i = words.as_ptr().cast();
    // SAFETY: 32 bytes, and no alignment is asked for.
    unsafe { [_mm_loadu_si128(from), _mm_loadu_si128(from.add(1))] }
}

/// One compression in each lane; their rounds take turns.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn compress_lanes<const N: usize>(states: &mut [State; N], mut messages: [Message; N]) {
    let before = *states;
    let w = &mut messages;
    rounds::<N, 0, false>(states, w, 0);
    rounds::<N, 1, false>(states, w, 0);
    rounds::<N, 2, false>(states, w, 0);
    rounds::<N, 3, false>(states, w, 0);
    for sixteen in 1..4 {
        rounds::<N, 0, true>(states, w, sixteen);
        rounds::<N, 1, true>(states, w, sixteen);
        rounds::<N, 2, true>(states, w, sixteen);
        rounds::<N, 3, true>(states, w, sixteen);
    }
    for (state, before) in states.iter_mut().zip(before) {
        state.abef = _mm_add_epi32(state.abef, before.abef);
        state.cdgh = _mm_add_epi32(state.cdgh, before.cdgh);
    }
}

/// Four rounds in each lane, with the words at `AT`: those of the message, or scheduled here.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn rounds<const N: usize, const AT: usize, const SCHEDULED: bool>(
    states: &mut [State; N],
    messages: &mut [Message; N],
    sixteen: usize,
) {
    let [k0, k1, k2, k3] = K[sixteen * 4 + AT];
    let k = _mm_set_epi32(
        k3.cast_signed(),
        k2.cast_signed(),
        k1.cast_signed(),
        k0.cast_signed(),
    );
    for (state, Message(w)) in states.iter_mut().zip(messages) {
        if SCHEDULED {
            let (w0, w1) = (w[AT], w[(AT + 1) % 4]);
            let (w2, w3) = (w[(AT + 2) % 4], w[(AT + 3) % 4]);
            let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
            w[AT] = _mm_sha256msg2_epu32(sum, w3);
        }
        let wk = _mm_add_epi32(w[AT], k);
        let State { abef, cdgh } = *state;
        let efgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
        state.abef = _mm_sha256rnds2_epu32(abef, efgh, _mm_shuffle_epi32::<0x0e>(wk));
        state.cdgh = efgh;
    }
}
