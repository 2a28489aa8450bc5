//! With AVX-512: sixteen messages, one to a lane.
#![allow(unsafe_code)] // instructions that the processor has to have, and loads and stores of vectors

use std::arch::x86_64::*;

use crate::rounds::K;
use crate::{Block, INITIAL, INNER_PAD, OUTER_BITS, OUTER_PAD, Words};

const LANES: usize = 16;

#[inline]
pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

pub(crate) fn compress_each(states: &mut [Words], blocks: &[Block]) {
    for (states, blocks) in states.chunks_mut(LANES).zip(blocks.chunks(LANES)) {
        let len = states.len().min(blocks.len());
        // SAFETY: whoever calls has asked `is_available`.
        unsafe { compress_some(&mut states[..len], blocks) };
    }
}

pub(crate) fn key_states_each(keys: &[Words], keyed: &mut [[Words; 2]]) {
    for (keys, keyed) in keys.chunks(LANES).zip(keyed.chunks_mut(LANES)) {
        // SAFETY: as above.
        unsafe { store_keys(load_each(keys, |key| key), keyed, keys.len()) };
    }
}

pub(crate) fn finish_each(keyed: &[[Words; 2]], blocks: &[Block], macs: &mut [Words]) {
    let rows = keyed.chunks(LANES).zip(blocks.chunks(LANES));
    for ((keyed, blocks), macs) in rows.zip(macs.chunks_mut(LANES)) {
        let len = keyed.len().min(blocks.len());
        // SAFETY: as above.
        unsafe { store_each(mac(keyed, blocks), macs.iter_mut().take(len)) };
    }
}

pub(crate) fn finish_key_each(keyed: &mut [[Words; 2]], blocks: &[Block]) {
    for (keyed, blocks) in keyed.chunks_mut(LANES).zip(blocks.chunks(LANES)) {
        // SAFETY: as above.
        unsafe { store_keys(mac(keyed, blocks), keyed, blocks.len()) };
    }
}

/// Eight words of sixteen lanes: a state, or 32 bytes.
type Eight = [__m512i; 8];

#[target_feature(enable = "avx512f,avx512bw")]
fn compress_some(states: &mut [Words], blocks: &[Block]) {
    let state = compress(load_each(states, |state| state), message(blocks));
    store_each(state, states.iter_mut());
}

/// MACs of one block each.
#[target_feature(enable = "avx512f,avx512bw")]
fn mac(keyed: &[[Words; 2]], blocks: &[Block]) -> Eight {
    let [a, b, c, d, e, f, g, h] = compress(load_each(keyed, |[inner, _]| inner), message(blocks));
    let zero = _mm512_setzero_si512();
    let (end, length) = (set(1 << 31), set(OUTER_BITS)); // the bit behind the message
    let last = [
        a, b, c, d, e, f, g, h, end, zero, zero, zero, zero, zero, zero, length,
    ];
    compress(load_each(keyed, |[_, outer]| outer), last)
}

/// The states of the first `len` keys.
#[target_feature(enable = "avx512f,avx512bw")]
fn store_keys(keys: Eight, keyed: &mut [[Words; 2]], len: usize) {
    let initial = INITIAL.map(|word| set(word));
    let [inner, outer] = [INNER_PAD, OUTER_PAD].map(|pad| {
        let mut block = [set(pad); 16];
        for (word, key) in block.iter_mut().zip(keys) {
            *word = _mm512_xor_si512(*word, key);
        }
        compress(initial, block)
    });
    store_each(inner, keyed.iter_mut().take(len).map(|[inner, _]| inner));
    store_each(outer, keyed.iter_mut().take(len).map(|[_, outer]| outer));
}

#[inline]
#[target_feature(enable = "avx512f")]
fn set(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}

/// The words of up to sixteen blocks; zeros for those that are not there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn message(blocks: &[Block]) -> [__m512i; 16] {
    let big_endian =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, block) in rows.iter_mut().zip(blocks) {
        // SAFETY: 64 bytes, and no alignment is asked for.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        *row = _mm512_shuffle_epi8(bytes, big_endian);
    }
    transpose(rows)
}

/// Eight words of each of up to sixteen; zeros for those that are not there.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_each<T>(each: &[T], words: impl Fn(&T) -> &Words) -> Eight {
    let half = |lane: usize| match each.get(lane) {
        // SAFETY: 32 bytes, and no alignment is asked for.
        Some(one) => unsafe { _mm256_loadu_si256(words(one).as_ptr().cast()) },
        None => _mm256_setzero_si256(),
    };
    // Two lanes to a vector: the upper half of it is lane i + 8.
    let mut pairs = [_mm512_setzero_si512(); 8];
    for (lane, pair) in pairs.iter_mut().enumerate() {
        *pair = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(half(lane)), half(lane + 8));
    }
    transpose_halves(pairs)
}

/// The way back, for as many lanes as there are.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_each<'w>(state: Eight, mut each: impl Iterator<Item = &'w mut Words>) {
    let pairs = untranspose_halves(state);
    let low = pairs.map(|pair| _mm512_castsi512_si256(pair));
    let high = pairs.map(|pair| _mm512_extracti64x4_epi64::<1>(pair));
    for half in [low, high].as_flattened() {
        let Some(words) = each.next() else { return };
        // SAFETY: 32 bytes, and no alignment is asked for.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), *half) };
    }
}

/// One compression in each lane.
#[target_feature(enable = "avx512f")]
fn compress(before: Eight, mut w: [__m512i; 16]) -> Eight {
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
    state
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
