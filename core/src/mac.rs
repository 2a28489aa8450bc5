//! HMAC-SHA-256 (RFC 2104), keyed once and used many times.
//!
//! How blocks are laid out is written here, so that a chain of MACs keeps its states in words and copies each message once. A key costs two
//! compressions, a MAC one for each block of its message and one for the outer hash. The tests compare it with the crate `hmac`.

use std::slice;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::compress::{
    Block, INITIAL, Words, compress, finish, finish_key, from_bytes, key_states, to_bytes,
};
use crate::limits::KEY_LEN;
use crate::wire::Sink;

const BLOCK: usize = size_of::<Block>();
/// Where the last block's length begins.
const LENGTH: usize = BLOCK - 8;

/// 32 secret bytes, wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret(pub(crate) [u8; KEY_LEN]);

/// What a MAC comes to, and what keys the next one: 32 secret bytes as the hash has them, wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Output(Words);

impl Output {
    pub(crate) fn of_words(words: &Words) -> Self {
        Self(*words)
    }

    pub(crate) fn of(bytes: &[u8; KEY_LEN]) -> Self {
        Self(from_bytes(bytes))
    }

    pub(crate) fn to_bytes(&self) -> [u8; KEY_LEN] {
        to_bytes(&self.0)
    }

    /// SHA-256 of the 32 bytes.
    pub(crate) fn sha256(&self) -> [u8; KEY_LEN] {
        let mut block = [0; BLOCK];
        block[..KEY_LEN].copy_from_slice(&self.to_bytes());
        block[KEY_LEN] = 0x80;
        block[LENGTH..].copy_from_slice(&bits(KEY_LEN));
        let mut state = INITIAL;
        compress(&mut state, &[block]);
        to_bytes(&state)
    }
}

/// A keyed state: the hash of either pad. It stands for the key, and is wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Keyed {
    inner: Words,
    outer: Words,
}

impl Keyed {
    /// The states of the inner and of the outer pad.
    pub(crate) fn states(&self) -> [Words; 2] {
        [self.inner, self.outer]
    }

    /// Two compressions.
    pub(crate) fn new(key: &Output) -> Self {
        let [inner, outer] = key_states(&key.0);
        Self { inner, outer }
    }

    /// The MAC of a message.
    #[inline]
    pub(crate) fn mac<const N: usize>(&self, message: &Message<'_, N>) -> Output {
        if message.is_whole {
            let block = slice::from_ref(&message.block);
            return Output(finish(&self.inner, block, &self.outer));
        }
        self.mac_of_more(message).finish()
    }

    /// The state of the key that the MAC of a message is.
    #[inline]
    pub(crate) fn key<const N: usize>(&self, message: &Message<'_, N>) -> Self {
        let [inner, outer] = if message.is_whole {
            let block = slice::from_ref(&message.block);
            finish_key(&self.inner, block, &self.outer)
        } else {
            self.mac_of_more(message).finish_key()
        };
        Self { inner, outer }
    }

    fn mac_of_more<const N: usize>(&self, message: &Message<'_, N>) -> Mac<'_> {
        let mut mac = self.begin(message.block.first_chunk().unwrap_or(&[0; N]));
        mac.put(message.tail);
        mac.put(message.more);
        mac
    }

    /// Begins one MAC, of a message that begins with these few bytes.
    #[inline]
    pub(crate) fn begin<const N: usize>(&self, message: &[u8; N]) -> Mac<'_> {
        const { assert!(N < BLOCK) };
        let mut block = [0; BLOCK];
        block[..N].copy_from_slice(message);
        Mac {
            outer: &self.outer,
            state: self.inner,
            block,
            filled: N,
            hashed: BLOCK,
        }
    }
}

/// A message whose first bytes are few and known. Where it fits into one block, that is laid out as soon as the message is there, and stays
/// where it is: what is written or moved just before it is hashed makes the processor wait.
pub(crate) struct Message<'m, const N: usize> {
    /// The whole message with its padding, or its first bytes.
    block: Block,
    is_whole: bool,
    /// What is behind the first bytes.
    tail: &'m [u8],
    /// What is behind that.
    more: &'m [u8],
}

impl<'m, const N: usize> Message<'m, N> {
    /// Nothing yet.
    #[inline]
    pub(crate) fn blank() -> Self {
        Self {
            block: [0; BLOCK],
            is_whole: false,
            tail: &[],
            more: &[],
        }
    }

    /// Makes it this one.
    #[inline]
    pub(crate) fn set(&mut self, head: &[u8; N], tail: &'m [u8], more: &'m [u8]) {
        if more.is_empty() {
            self.is_whole = lay_out(head, tail, &mut self.block);
        } else {
            self.block[..N].copy_from_slice(head);
            self.is_whole = false;
        }
        (self.tail, self.more) = (tail, more);
    }
}

/// Lays a message of two parts out in one block with its padding, and says whether it fits; where not, the block begins with the head.
#[inline]
pub(crate) fn lay_out<const N: usize>(head: &[u8; N], tail: &[u8], block: &mut Block) -> bool {
    const { assert!(N < LENGTH) };
    *block = [0; BLOCK];
    block[..N].copy_from_slice(head);
    let is_whole = tail.len() < LENGTH - N;
    if is_whole {
        let len = N + tail.len();
        block[N..len].copy_from_slice(tail);
        block[len] = 0x80;
        block[LENGTH..].copy_from_slice(&bits(BLOCK + len));
    }
    is_whole
}

/// How many blocks a message of so many bytes fills.
pub(crate) const fn blocks(len: usize) -> usize {
    (len + 9).div_ceil(BLOCK) // with a bit behind it and its length
}

/// One block of a message of two parts, which is hashed behind a pad. The head is shorter than a block.
pub(crate) fn block_of(head: &[u8], tail: &[u8], number: usize) -> Block {
    let len = head.len() + tail.len();
    let mut block = [0; BLOCK];
    let (from, mut filled) = if number == 0 {
        block[..head.len()].copy_from_slice(head);
        (0, head.len())
    } else {
        (number * BLOCK - head.len(), 0)
    };
    let rest = tail.get(from..).unwrap_or_default();
    let rest = &rest[..rest.len().min(BLOCK - filled)];
    block[filled..filled + rest.len()].copy_from_slice(rest);
    filled += rest.len();
    if filled < BLOCK && number * BLOCK + filled == len {
        block[filled] = 0x80;
    }
    if number + 1 == blocks(len) {
        block[LENGTH..].copy_from_slice(&bits(BLOCK + len));
    }
    block
}

/// A MAC in the making.
pub(crate) struct Mac<'k> {
    outer: &'k Words,
    state: Words,
    /// What waits to be hashed, and zeros.
    block: Block,
    /// How much waits: less than a block.
    filled: usize,
    /// Bytes that were hashed, the pad included.
    hashed: usize,
}

impl Mac<'_> {
    #[inline]
    pub(crate) fn finish(mut self) -> Output {
        self.pad();
        let last = slice::from_ref(&self.block);
        Output(finish(&self.state, last, self.outer))
    }

    #[inline]
    fn finish_key(mut self) -> [Words; 2] {
        self.pad();
        let last = slice::from_ref(&self.block);
        finish_key(&self.state, last, self.outer)
    }

    /// Makes the block the last one.
    #[inline]
    fn pad(&mut self) {
        let bits = bits(self.hashed + self.filled);
        self.block[self.filled] = 0x80;
        if self.filled >= LENGTH {
            compress(&mut self.state, slice::from_ref(&self.block));
            self.block = [0; BLOCK];
        }
        self.block[LENGTH..].copy_from_slice(&bits);
    }

    /// For bytes that fill the block.
    fn put_blocks(&mut self, bytes: &[u8]) {
        let (now, later) = bytes.split_at(BLOCK - self.filled);
        self.block[self.filled..].copy_from_slice(now);
        compress(&mut self.state, slice::from_ref(&self.block));
        let (blocks, rest) = later.as_chunks();
        compress(&mut self.state, blocks);
        self.hashed += (1 + blocks.len()) * BLOCK;
        self.block = [0; BLOCK];
        self.block[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }
}

impl Sink for Mac<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if bytes.len() < BLOCK - self.filled {
            self.block[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
            self.filled += bytes.len();
        } else {
            self.put_blocks(bytes);
        }
    }
}

impl Drop for Mac<'_> {
    fn drop(&mut self) {
        self.state.zeroize(); // the messages are no secret
    }
}

/// A length in bits.
fn bits(len: usize) -> [u8; 8] {
    (len as u64 * 8).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    proptest! {
        /// Any message, in any pieces.
        #[test]
        fn it_is_hmac(key: [u8; 32], pieces: Vec<Vec<u8>>, long in 0..300_usize) {
            let mut pieces = pieces;
            pieces.push(vec![7; long]);
            let mut expected = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            let keyed = Keyed::new(&Output::of(&key));
            let mut mac = keyed.begin(b"");
            for piece in &pieces {
                expected.update(piece);
                mac.put(piece);
            }
            let expected: [u8; 32] = expected.finalize().into_bytes().into();
            let made = mac.finish();
            prop_assert_eq!(made.to_bytes(), expected);
            let digest: [u8; 32] = Sha256::digest(expected).into();
            prop_assert_eq!(made.sha256(), digest);
        }
    }

    #[test]
    fn a_message_in_parts_is_that_of_one() {
        let keyed = Keyed::new(&Output::of(&[9; 32]));
        for len in 0..200 {
            let tail = vec![5; len];
            let mut mac = keyed.begin(&[1, 2, 3]);
            mac.put(&tail);
            let mut message = Message::blank();
            message.set(&[1, 2, 3], &tail[..len / 3], &tail[len / 3..]);
            let whole = keyed.mac(&message);
            message.set(&[1, 2, 3], &tail, &[]);
            let of_two = keyed.mac(&message);
            let key = keyed.key(&message);
            assert_eq!(key.states(), Keyed::new(&of_two).states(), "{len} bytes");
            let expected = mac.finish().to_bytes();
            assert_eq!(whole.to_bytes(), expected, "{len} bytes");
            assert_eq!(of_two.to_bytes(), expected, "{len} bytes");
        }
    }

    #[test]
    fn every_length_around_a_block_is_padded_right() {
        let keyed = Keyed::new(&Output::of(&[9; 32]));
        for len in 0..200 {
            let message = vec![5; len];
            let mut expected = Hmac::<Sha256>::new_from_slice(&[9; 32]).unwrap();
            expected.update(&message);
            let expected: [u8; 32] = expected.finalize().into_bytes().into();
            let mut mac = keyed.begin(b"");
            mac.put(&message);
            assert_eq!(mac.finish().to_bytes(), expected, "{len} bytes");
        }
    }
}
