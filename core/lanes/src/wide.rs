//! With AVX-512: sixteen messages, one to a lane.
#![allow(unsafe_code)] // instructions that the processor has to have, and loads and stores of vectors

use std::arch::x86_64::*;

use crate::rounds::K;
use crate::{Block, INITIAL, Words, key_blocks, outer_block};

const LANES: usize = 16;

#[inline]
pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
}

pub(crate) fn compress_each(states: &mut [Words], blocks: &[Block]) {
    let groups = states.chunks_mut(LANES).zip(blocks.chunks(LANES));
    for (states, blocks) in groups {
        let mut lanes = Lanes::default();
        lanes.compress(states.iter_mut().zip(blocks), |block| {
            let (words, _) = block.as_chunks();
            std::array::from_fn(|at| u32::from_be_bytes(words[at]))
        });
    }
}

pub(crate) fn key_states_each(keys: &[Words], states: &mut [[Words; 2]]) {
    let groups = states.chunks_mut(LANES / 2).zip(keys.chunks(LANES / 2));
    for (states, keys) in groups {
        let blocks: [_; LANES / 2] =
            std::array::from_fn(|at| keys.get(at).map_or([[0; 16]; 2], key_blocks));
        let mut lanes = Lanes::default();
        let states = states.iter_mut().take(keys.len()).flatten();
        let states = states.map(|state| {
            *state = INITIAL;
            state
        });
        lanes.compress(states.zip(blocks.as_flattened()), |block| *block);
    }
}

pub(crate) fn outer_each(inner: &mut [Words], outer: &[Words]) {
    let groups = inner.chunks_mut(LANES).zip(outer.chunks(LANES));
    for (inner, outer) in groups {
        let blocks: [_; LANES] =
            std::array::from_fn(|at| inner.get(at).map_or([0; 16], outer_block));
        let states = inner.iter_mut().zip(outer).map(|(inner, outer)| {
            *inner = *outer;
            inner
        });
        Lanes::default().compress(states.zip(&blocks), |block| *block);
    }
}

/// Sixteen states and blocks side by side.
struct Lanes {
    states: [Words; LANES],
    blocks: [[u32; 16]; LANES],
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            states: [[0; 8]; LANES],
            blocks: [[0; 16]; LANES],
        }
    }
}

impl Lanes {
    /// One compression for each pair, of which there are sixteen at most.
    fn compress<'s, B: 's>(
        &mut self,
        pairs: impl Iterator<Item = (&'s mut Words, &'s B)>,
        words: impl Fn(&B) -> [u32; 16],
    ) {
        let mut places: [Option<&mut Words>; LANES] = [const { None }; LANES];
        let lanes = self.states.iter_mut().zip(&mut self.blocks);
        for (((state, block), place), (from, with)) in lanes.zip(&mut places).zip(pairs) {
            *state = *from;
            *block = words(with);
            *place = Some(from);
        }
        // SAFETY: whoever calls has asked `is_available`.
        unsafe { compress_sixteen(&mut self.states, &self.blocks) };
        for (place, state) in places.into_iter().zip(self.states) {
            if let Some(place) = place {
                *place = state;
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
fn compress_sixteen(states: &mut [Words; LANES], blocks: &[[u32; 16]; LANES]) {
    let mut w = transpose(blocks.each_ref().map(|block| {
        // SAFETY: 64 bytes, and no alignment is asked for.
        unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
    }));
    // Two states to a vector: the upper half of it is lane i + 8.
    let pairs: [__m512i; 8] = std::array::from_fn(|lane| {
        // SAFETY: 32 bytes each, and no alignment is asked for.
        unsafe {
            let low = _mm256_loadu_si256(states[lane].as_ptr().cast());
            let high = _mm256_loadu_si256(states[lane + 8].as_ptr().cast());
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        }
    });
    let before = transpose_halves(pairs);
    let mut state = before;
    for sixteen in 0..4 {
        eight_rounds::<0>(&mut state, &w, sixteen);
        eight_rounds::<8>(&mut state, &w, sixteen);
        if sixteen < 3 {
            schedule(&mut w);
        }
    }
    let sums = std::array::from_fn(|at| _mm512_add_epi32(before[at], state[at]));
    let pairs = untranspose_halves(sums);
    for (lane, pair) in pairs.into_iter().enumerate() {
        // SAFETY: 32 bytes each, and no alignment is asked for.
        unsafe {
            _mm256_storeu_si256(
                states[lane].as_mut_ptr().cast(),
                _mm512_castsi512_si256(pair),
            );
            let high = _mm512_extracti64x4_epi64::<1>(pair);
            _mm256_storeu_si256(states[lane + 8].as_mut_ptr().cast(), high);
        }
    }
}

/// Rounds with the words from `FROM` on. After eight of them, every word of the state is in its place again.
#[inline]
#[target_feature(enable = "avx512f")]
fn eight_rounds<const FROM: usize>(state: &mut [__m512i; 8], w: &[__m512i; 16], sixteen: usize) {
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

/// The next sixteen words (step 1).
#[inline]
#[target_feature(enable = "avx512f")]
fn schedule(w: &mut [__m512i; 16]) {
    for at in 0..16 {
        let (w0, w1) = (w[at], w[(at + 1) % 16]);
        let (w9, w14) = (w[(at + 9) % 16], w[(at + 14) % 16]);
        let sum = _mm512_add_epi32(_mm512_add_epi32(w0, small_0(w1)), w9);
        w[at] = _mm512_add_epi32(sum, small_1(w14));
    }
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
