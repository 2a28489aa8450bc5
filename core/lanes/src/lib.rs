//! SHA-256's compression function (FIPS 180-4, section 6.2.2), for one message or for several that do not depend on each other.
//!
//! One compression waits for its own rounds most of the time. Two that take turns hide half of that with the SHA extensions; sixteen fill
//! AVX-512's lanes. What the processor has is found out at run time. Everywhere else, and for what is left over, it is `sha2`'s function.
//!
//! Blocks and states are words, as the hash has them: what one hash comes to is the next one's message without a change of order.
//!
//! The unsafe code of this crate is in the two modules that need a processor's instructions, each behind the question whether it has them. Each
//! [`Kernel`] is compared with `sha2` by tests and by a fuzz target.

mod plain;
#[cfg(target_arch = "x86_64")]
mod rounds;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(target_arch = "x86_64")]
mod wide;

/// A state, or 32 bytes as the hash has them: big-endian.
pub type Words = [u32; 8];

/// A message block.
pub type Block = [u8; 64];

/// The state that a hash begins with (FIPS 180-4, section 5.3.3).
pub const INITIAL: Words = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// How compressions are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// One after the other, by `sha2`.
    Plain,
    /// The SHA extensions of x86-64, two at a time.
    ShaNi,
    /// AVX-512 (F and BW), sixteen at a time.
    Wide,
}

impl Kernel {
    /// All there are, whether this processor has them or not.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ShaNi, Self::Wide];

    /// Whether this processor can do it.
    #[inline]
    pub fn is_available(self) -> bool {
        match self {
            Self::Plain => true,
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi => sha_ni::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Wide => wide::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::ShaNi | Self::Wide => false,
        }
    }

    /// How many compressions it does at a time.
    pub fn lanes(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::ShaNi => 2,
            Self::Wide => 16,
        }
    }

    /// One compression for each state, with the block in its place; what has no partner stays as it is. Where this processor cannot do it this
    /// way, here and below, it is done by `sha2`.
    #[inline]
    pub fn compress_each(self, states: &mut [Words], blocks: &[Block]) {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Wide if wide::is_available() => return wide::compress_each(states, blocks),
            Self::ShaNi if sha_ni::is_available() => return sha_ni::compress_each(states, blocks),
            _ => {}
        }
        plain::compress_each(states, blocks);
    }

    /// [`key_states`] of each key.
    #[inline]
    pub fn key_states_each(self, keys: &[Words], keyed: &mut [[Words; 2]]) {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Wide if wide::is_available() => return wide::key_states_each(keys, keyed),
            Self::ShaNi if sha_ni::is_available() => return sha_ni::key_states_each(keys, keyed),
            _ => {}
        }
        plain::key_states_each(keys, keyed);
    }

    /// [`finish`] for each key's states, with the one last block in its place.
    #[inline]
    pub fn finish_each(self, keyed: &[[Words; 2]], blocks: &[Block], macs: &mut [Words]) {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Wide if wide::is_available() => return wide::finish_each(keyed, blocks, macs),
            Self::ShaNi if sha_ni::is_available() => {
                return sha_ni::finish_each(keyed, blocks, macs);
            }
            _ => {}
        }
        plain::finish_each(keyed, blocks, macs);
    }

    /// [`finish_key`] for each key's states, with the one last block in its place: they become those of the next key.
    #[inline]
    pub fn finish_key_each(self, keyed: &mut [[Words; 2]], blocks: &[Block]) {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Wide if wide::is_available() => return wide::finish_key_each(keyed, blocks),
            Self::ShaNi if sha_ni::is_available() => return sha_ni::finish_key_each(keyed, blocks),
            _ => {}
        }
        plain::finish_key_each(keyed, blocks);
    }
}

/// What is fastest for this many messages at a time: sixteen lanes of AVX-512 if they are full, else pairs with the SHA extensions (of which
/// full lanes take 0.97 of the time on Zen 4), else lanes that are not.
#[inline]
pub fn fastest(at_once: usize) -> Kernel {
    let has_sha = Kernel::ShaNi.is_available();
    let fewest = if has_sha { ENOUGH } else { FEWEST };
    if at_once >= fewest && Kernel::Wide.is_available() {
        Kernel::Wide
    } else if has_sha {
        Kernel::ShaNi
    } else {
        Kernel::Plain
    }
}

/// From so many on, sixteen lanes of which some do nothing are faster than one after the other, and than pairs.
const FEWEST: usize = 3;
const ENOUGH: usize = 16;

/// The states that HMAC (RFC 2104) makes of a key of 32 bytes: of the inner pad and of the outer one. Two compressions, side by side.
#[inline]
pub fn key_states(key: &Words) -> [Words; 2] {
    #[cfg(target_arch = "x86_64")]
    if sha_ni::is_available() {
        return sha_ni::key_states(key);
    }
    plain::key_states(key)
}

/// Ends an HMAC: what `inner` comes to with these last blocks (padding included), hashed from the state `outer` on.
#[inline]
pub fn finish(inner: &Words, last: &[Block], outer: &Words) -> Words {
    #[cfg(target_arch = "x86_64")]
    if sha_ni::is_available() {
        return sha_ni::finish(inner, last, outer);
    }
    plain::finish(inner, last, outer)
}

/// What [`finish`] comes to, as a key: its [`key_states`]. The key itself is not written down anywhere.
#[inline]
pub fn finish_key(inner: &Words, last: &[Block], outer: &Words) -> [Words; 2] {
    #[cfg(target_arch = "x86_64")]
    if sha_ni::is_available() {
        return sha_ni::finish_key(inner, last, outer);
    }
    plain::key_states(&plain::finish(inner, last, outer))
}

/// One compression for each block, one after the other.
#[inline]
pub fn compress(state: &mut Words, blocks: &[Block]) {
    #[cfg(target_arch = "x86_64")]
    if sha_ni::is_available() {
        return sha_ni::compress(state, blocks);
    }
    plain::compress(state, blocks);
}

const INNER_PAD: u32 = 0x3636_3636;
const OUTER_PAD: u32 = 0x5c5c_5c5c;

/// The two pads of a key, as words.
#[inline]
const fn key_blocks(key: &Words) -> [[u32; 16]; 2] {
    let mut blocks = [[INNER_PAD; 16], [OUTER_PAD; 16]];
    let mut at = 0;
    while at < key.len() {
        blocks[0][at] ^= key[at];
        blocks[1][at] ^= key[at];
        at += 1;
    }
    blocks
}

/// The last block of the outer hash, as words.
#[inline]
const fn outer_block(inner: &Words) -> [u32; 16] {
    let [a, b, c, d, e, f, g, h] = *inner;
    let end = 1 << 31; // the bit behind the message
    [a, b, c, d, e, f, g, h, end, 0, 0, 0, 0, 0, 0, OUTER_BITS]
}

/// The length of the outer hash's message: a pad and 32 bytes.
const OUTER_BITS: u32 = (64 + 32) * 8;
