//! Writing canonical messages, to whatever takes bytes.

use super::{BYTES, VARINT, tag};

/// Where an encoder writes: a buffer, a MAC, base64 text, or a mere count.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);
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
    pub(crate) fn of(encode: impl FnOnce(&mut Self)) -> usize {
        let mut count = Self::default();
        encode(&mut count);
        count.0
    }
}

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// A number field; absent where 0.
pub(crate) fn put_uint(out: &mut (impl Sink + ?Sized), field: u8, value: u64) {
    if value != 0 {
        out.put(&[tag(field, VARINT)]);
        put_varint(out, value);
    }
}

/// A string or bytes field; absent where empty.
pub(crate) fn put_bytes(out: &mut (impl Sink + ?Sized), field: u8, value: &[u8]) {
    if !value.is_empty() {
        put_element(out, field, value);
    }
}

/// One element of a repeated field, or a message: there even if empty.
pub(crate) fn put_element(out: &mut (impl Sink + ?Sized), field: u8, value: &[u8]) {
    put_header(out, field, value.len());
    out.put(value);
}

/// The tag and length before a nested message that follows.
pub(crate) fn put_header(out: &mut (impl Sink + ?Sized), field: u8, len: usize) {
    out.put(&[tag(field, BYTES)]);
    put_varint(out, len as u64);
}

#[allow(clippy::cast_possible_truncation)] // seven bits at a time
fn put_varint(out: &mut (impl Sink + ?Sized), mut value: u64) {
    let mut bytes = [0; 10];
    let mut len = 0;
    while value >= 0x80 {
        bytes[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value as u8;
    out.put(&bytes[..=len]);
}
