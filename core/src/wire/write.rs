//! Writing canonical messages, to whatever takes bytes.

use super::{BYTES, VARINT, tag};

/// Where an encoder writes: a buffer, a MAC, base64 text, or a mere count.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn put_byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts bytes, for the length of a nested message.
#[derive(Default)]
pub(crate) struct Count(usize);

impl Count {
    #[inline]
    pub(crate) fn of(encode: impl FnOnce(&mut Self)) -> usize {
        let mut count = Self::default();
        encode(&mut count);
        count.0
    }
}

impl Sink for Count {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Room for N bytes, for what is known to fit.
pub(crate) struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<const N: usize> Sink for Short<N> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    #[inline]
    fn put_byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }
}

/// A number field; absent where 0.
#[inline]
pub(crate) fn put_uint(out: &mut (impl Sink + ?Sized), field: u8, value: u64) {
    if value != 0 {
        out.put_byte(tag(field, VARINT));
        put_varint(out, value);
    }
}

/// A string or bytes field; absent where empty.
#[inline]
pub(crate) fn put_bytes(out: &mut (impl Sink + ?Sized), field: u8, value: &[u8]) {
    if !value.is_empty() {
        put_element(out, field, value);
    }
}

/// One element of a repeated field, or a message: there even if empty.
#[inline]
pub(crate) fn put_element(out: &mut (impl Sink + ?Sized), field: u8, value: &[u8]) {
    put_header(out, field, value.len());
    out.put(value);
}

/// The tag and length before a nested message that follows.
#[inline]
pub(crate) fn put_header(out: &mut (impl Sink + ?Sized), field: u8, len: usize) {
    out.put_byte(tag(field, BYTES));
    put_varint(out, len as u64);
}

/// The size of a bytes field with so many bytes, or of an element of a repeated one.
#[inline]
pub(crate) const fn element_len(len: usize) -> usize {
    let bits = (len | 1).ilog2() as usize + 1;
    1 + bits.div_ceil(7) + len
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // seven bits at a time
fn put_varint(out: &mut (impl Sink + ?Sized), mut value: u64) {
    while value >= 0x80 {
        out.put_byte(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_byte(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_an_element_is_known_before() {
        for len in [0, 1, 127, 128, 16_383, 16_384] {
            let written = Count::of(|out| put_element(out, 3, &vec![0; len]));
            assert_eq!(element_len(len), written, "{len}");
        }
    }
}
