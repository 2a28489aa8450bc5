//! With AVX-512: sixteen messages, one to a lane.
#![allow(unsafe_code)] // instructions that the processor has to have, and loads and stores of vectors

use std::arch::x86_64::*;

use crate::rounds::K;
use crate::{Block, INITIAL, Words, key_blocks, outer_block};

const LANES: usize = 16;

#[inline]
pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

pub(crate) fn compress_each(states: &mut [Words], blocks: &[Block]) {
    by_sixteen::<true>(states, blocks.len(), |from, to| {
        for (to, from) in to.iter_mut().zip(&blocks[from..]) {
            *to = *from;
        }
    });
}

pub(crate) fn key_states_each(keys: &[Words], states: &mut [[Words; 2]]) {
    let len = keys.len().min(states.len());
    let states = states[..len].as_flattened_mut();
    states.fill(INITIAL);
    by_sixteen::<false>(states, 2 * len, |from, to| {
        for (to, key) in to.as_chunks_mut().0.iter_mut().zip(&keys[from / 2..]) {
            *to = key_blocks(key).map(native);
        }
    });
}

pub(crate) fn outer_each(inner: &mut [Words], outer: &[Words]) {
    let mut len = inner.len().min(outer.len());
    for (inner, outer) in inner.chunks_mut(LANES).zip(outer.chunks(LANES)) {
        let mut blocks = [[0; 64]; LANES];
        for (block, inner) in blocks.iter_mut().zip(&*inner) {
            *block = native(outer_block(inner));
        }
        let now = len.min(LANES);
        inner[..now].copy_from_slice(&outer[..now]);
        by_sixteen::<false>(inner, now, |_, to| *to = blocks);
        len -= now;
    }
}

/// The words of a block as they are in memory.
fn native(words: [u32; 16]) -> Block {
    let mut block = [0; 64];
    for (place, word) in block.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_ne_bytes();
    }
    block
}

/// One compression for each of the first `len` states. `fill` is told the number of the first one, and lays out the blocks for it and those
/// behind it: as they are hashed if `BYTES`, or else as words in memory.
fn by_sixteen<const BYTES: bool>(
    states: &mut [Words],
    len: usize,
    fill: impl Fn(usize, &mut [Block; LANES]),
) {
    let len = len.min(states.len());
    let (whole, rest) = states[..len].as_chunks_mut::<LANES>();
    let mut blocks = [[0; 64]; LANES];
    let done = whole.len() * LANES;
    for (number, states) in whole.iter_mut().enumerate() {
        fill(number * LANES, &mut blocks);
        // SAFETY: whoever calls has asked `is_available`.
        unsafe { compress_sixteen::<BYTES>(states, &blocks) };
    }
    if !rest.is_empty() {
        fill(done, &mut blocks);
        let mut padded = [[0; 8]; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        // SAFETY: as above.
        unsafe { compress_sixteen::<BYTES>(&mut padded, &blocks) };
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn compress_sixteen<const BYTES: bool>(states: &mut [Words; LANES], blocks: &[Block; LANES]) {
    let big_endian =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, block) in rows.iter_mut().zip(blocks) {
        // SAFETY: 64 bytes, and no alignment is asked for.
        *row = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        if BYTES {
            *row = _mm512_shuffle_epi8(*row, big_endian);
        }
    }
    let mut w = transpose(rows);
    // Two states to a vector: the upper half of it is lane i + 8.
    let mut pairs = [_mm512_setzero_si512(); 8];
    for (lane, pair) in pairs.iter_mut().enumerate() {
        // SAFETY: 32 bytes each, and no alignment is asked for.
        *pair = unsafe {
            let low = _mm256_loadu_si256(states[lane].as_ptr().cast());
            let high = _mm256_loadu_si256(states[lane + 8].as_ptr().cast());
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        };
    }
    let before = transpose_halves(pairs);
    let mut state = before;
    eight_rounds::<0, false>(&mut state, &mut w, 0);
    eight_rounds::<8, false>(&mut state, &mut w, 0);
    for sixteen in 1..4 {
        eight_rounds::<0, true>(&mut state, &mut w, sixteen);
        eight_rounds::<8, true>(&mut state, &mut w, sixteen);
    }
    for (state, before) in state.iter_mut().zip(before) {
        *state = _mm512_add_epi32(*state, before);
    }
    let pairs = untranspose_halves(state);
    for (lane, pair) in pairs.into_iter().enumerate() {
        // SAFETY: 32 bytes each, and no alignment is asked for.
        unsafe {
            let low = _mm512_castsi512_si256(pair);
            let high = _mm512_extracti64x4_epi64::<1>(pair);
            _mm256_storeu_si256(states[lane].as_mut_ptr().cast(), low);
            _mm256_storeu_si256(states[lane + 8].as_mut_ptr().cast(), high);
        }
    }
}

/// Rounds with the words from `FROM` on: those of the message, or scheduled here. After eight of them, every word of the state is in its place
/// again.
#[inline]
#[target_feature(enable = "avx512f")]
fn eight_rounds<const FROM: usize, const SCHEDULED: bool>(
    state: &mut [__m512i; 8],
    w: &mut [__m512i; 16],
    sixteen: usize,
) {
    if SCHEDULED {
        // Written out: a loop over places in an array would keep the words in memory.
        schedule(w, FROM);
        schedule(w, FROM + 1);
        schedule(w, FROM + 2);
        schedule(w, FROM + 3);
        schedule(w, FROM + 4);
        schedule(w, FROM + 5);
        schedule(w, FROM + 6);
        schedule(w, FROM + 7);
    }
    let k = |at: usize| K[sixteen * 4 + at / 4][at % 4];
    let [a, b, c, d, e, f, g, h] = *state;
    let (d, h) = round(a, b, c, d, e, f, g, h, w[FROM], k(FROM));
    let (c, g) = round(h, a, b, c, d, e, f, g, w[FROM + 1], k(FROM + 1));
    let (b, f) = round(g, h, a, b, c, d, e, f, w[FROM + 2], k(FROM + 2));
    let (a, e) = round(f, g, h, a, b, c, d, e, w[FROM + 3], k(FROM + 3));
    let (h, d) = round(e, f, g, h, a, b, c, d, w[FROM + 4], k(FROM + 4));
    let (g, c) = round(d, e, f, g, h, a, b, c, w[FROM + 5], k(FROM + 5));
    let (f, b) = round(c, d, e, f, g, h, a, b, w[FROM + 6], k(FROM + 6));
    let (e, a) = round(b, c, d, e, f, g, h, a, w[FROM + 7], k(FROM + 7));
    *state = [a, b, c, d, e, f, g, h];
}

/// One round (FIPS 180-4, section 6.2.2, step 3): what becomes of d and of h, which are the next round's e and a.
#[inline]
#[target_feature(enable = "avx512f")]
#[allow(clippy::too_many_arguments, clippy::many_single_char_names)] // the standard's
fn round(
    a: __m512i,
    b: __m512i,
    c: __m512i,
    d: __m512i,
    e: __m512i,
    f: __m512i,
    g: __m512i,
    h: __m512i,
    w: __m512i,
    k: u32,
) -> (__m512i, __m512i) {
    let hwk = _mm512_add_epi32(h, _mm512_add_epi32(w, _mm512_set1_epi32(k.cast_signed())));
    let choice = _mm512_ternarylogic_epi32::<CHOOSE>(e, f, g);
    let t1 = _mm512_add_epi32(_mm512_add_epi32(hwk, choice), big_1(e));
    let t2 = _mm512_add_epi32(big_0(a), _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c));
    (_mm512_add_epi32(d, t1), _mm512_add_epi32(t1, t2))
}

/// The next word of the schedule at this place (step 1).
#[inline]
#[target_feature(enable = "avx512f")]
fn schedule(w: &mut [__m512i; 16], at: usize) {
    let (w0, w1) = (w[at], w[(at + 1) % 16]);
    let (w9, w14) = (w[(at + 9) % 16], w[(at + 14) % 16]);
    let sum = _mm512_add_epi32(_mm512_add_epi32(w0, small_0(w1)), w9);
    w[at] = _mm512_add_epi32(sum, small_1(w14));
}

/// Truth tables of `_mm512_ternarylogic_epi32`: the bit 4x + 2y + z is the answer for x, y, z.
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;
const XOR: i32 = 0x96;

#[inline]
#[target_feature(enable = "avx512f")]
fn big_0(x: __m512i) -> __m512i {
    let [p, q, r] = [
        _mm512_ror_epi32::<2>(x),
        _mm512_ror_epi32::<13>(x),
        _mm512_ror_epi32::<22>(x),
    ];
    _mm512_ternarylogic_epi32::<XOR>(p, q, r)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_1(x: __m512i) -> __m512i {
    let [p, q, r] = [
        _mm512_ror_epi32::<6>(x),
        _mm512_ror_epi32::<11>(x),
        _mm512_ror_epi32::<25>(x),
    ];
    _mm512_ternarylogic_epi32::<XOR>(p, q, r)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_0(x: __m512i) -> __m512i {
    let [p, q, r] = [
        _mm512_ror_epi32::<7>(x),
        _mm512_ror_epi32::<18>(x),
        _mm512_srli_epi32::<3>(x),
    ];
    _mm512_ternarylogic_epi32::<XOR>(p, q, r)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_1(x: __m512i) -> __m512i {
    let [p, q, r] = [
        _mm512_ror_epi32::<17>(x),
        _mm512_ror_epi32::<19>(x),
        _mm512_srli_epi32::<10>(x),
    ];
    _mm512_ternarylogic_epi32::<XOR>(p, q, r)
}

/// Rows to columns: 16 vectors of 16 words.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    // Inside each quarter of 128 bits, four rows at a time; then the quarters among each other.
    let mut quarters = [_mm512_setzero_si512(); 16];
    for group in 0..4 {
        let [p, q, r, s] = std::array::from_fn(|row| rows[group * 4 + row]);
        let four = transpose_quarters(p, q, r, s);
        for (column, vector) in four.into_iter().enumerate() {
            quarters[column * 4 + group] = vector;
        }
    }
    let mut out = [_mm512_setzero_si512(); 16];
    for column in 0..4 {
        let [p, q, r, s] = std::array::from_fn(|group| quarters[column * 4 + group]);
        let (pq_low, pq_high) = (
            _mm512_shuffle_i32x4::<0x44>(p, q),
            _mm512_shuffle_i32x4::<0xee>(p, q),
        );
        let (rs_low, rs_high) = (
            _mm512_shuffle_i32x4::<0x44>(r, s),
            _mm512_shuffle_i32x4::<0xee>(r, s),
        );
        out[column] = _mm512_shuffle_i32x4::<0x88>(pq_low, rs_low);
        out[column + 4] = _mm512_shuffle_i32x4::<0xdd>(pq_low, rs_low);
        out[column + 8] = _mm512_shuffle_i32x4::<0x88>(pq_high, rs_high);
        out[column + 12] = _mm512_shuffle_i32x4::<0xdd>(pq_high, rs_high);
    }
    out
}

/// Four rows to four columns in each quarter.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_quarters(p: __m512i, q: __m512i, r: __m512i, s: __m512i) -> [__m512i; 4] {
    let (pq_low, pq_high) = (_mm512_unpacklo_epi32(p, q), _mm512_unpackhi_epi32(p, q));
    let (rs_low, rs_high) = (_mm512_unpacklo_epi32(r, s), _mm512_unpackhi_epi32(r, s));
    [
        _mm512_unpacklo_epi64(pq_low, rs_low),
        _mm512_unpackhi_epi64(pq_low, rs_low),
        _mm512_unpacklo_epi64(pq_high, rs_high),
        _mm512_unpackhi_epi64(pq_high, rs_high),
    ]
}

/// From vectors with the 8 words of lanes i and i + 8 to 8 vectors with one word of all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_halves(pairs: [__m512i; 8]) -> [__m512i; 8] {
    // In each quarter: words 0–3 or 4–7 of lane i, words of lane i + 8 in the upper two.
    let [p, q, r, s, t, u, v, x] = pairs;
    let (first, second) = (
        transpose_quarters(p, q, r, s),
        transpose_quarters(t, u, v, x),
    );
    let mut out = [_mm512_setzero_si512(); 8];
    for word in 0..4 {
        // Quarters: lanes 0–3 of words `word` and `word + 4`, then lanes 8–11 of both; in `second` lanes 4–7 and 12–15.
        let low = _mm512_shuffle_i32x4::<0x88>(first[word], second[word]);
        let high = _mm512_shuffle_i32x4::<0xdd>(first[word], second[word]);
        out[word] = _mm512_shuffle_i32x4::<0xd8>(low, low);
        out[word + 4] = _mm512_shuffle_i32x4::<0xd8>(high, high);
    }
    out
}

/// The way back.
#[inline]
#[target_feature(enable = "avx512f")]
fn untranspose_halves(words: [__m512i; 8]) -> [__m512i; 8] {
    let [p, q, r, s, t, u, v, x] = words;
    // In each quarter (lanes 0–3, 4–7, 8–11, 12–15): one lane's words 0–3, or 4–7.
    let (low, high) = (
        transpose_quarters(p, q, r, s),
        transpose_quarters(t, u, v, x),
    );
    let mut out = [_mm512_setzero_si512(); 8];
    for lane in 0..4 {
        // Quarters 0 and 2 are lanes `lane` and `lane + 8`, 1 and 3 are `lane + 4` and `lane + 12`.
        let near = _mm512_shuffle_i32x4::<0x88>(low[lane], high[lane]);
        let far = _mm512_shuffle_i32x4::<0xdd>(low[lane], high[lane]);
        out[lane] = _mm512_shuffle_i32x4::<0xd8>(near, near);
        out[lane + 4] = _mm512_shuffle_i32x4::<0xd8>(far, far);
    }
    out
}
