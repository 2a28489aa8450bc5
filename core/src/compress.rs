//! SHA-256's compression function (FIPS 180-4, section 6.2.2), which everything in here costs so many of.

use sha2::block_api::compress256;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// A state, or 32 bytes as the hash has them.
pub(crate) type Words = [u32; 8];

/// The state that a hash begins with (FIPS 180-4, section 5.3.3).
pub(crate) const INITIAL: Words = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// One compression for each block.
#[inline]
pub(crate) fn compress(state: &mut Words, blocks: &[[u8; BLOCK]]) {
    compress256(state, blocks);
}

pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Words {
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|at| u32::from_be_bytes(words[at]))
}

pub(crate) fn to_bytes(words: &Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_be_bytes();
    }
    bytes
}
