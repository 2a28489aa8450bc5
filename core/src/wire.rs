//! The canonical encoding (SPEC section 3): protobuf with exactly one encoding for each message.
//!
//! A decoder is a straight line of reads in ascending order of field number, and [`Reader::finish`] behind it. So
//! whatever is out of order, repeated, unknown, of another wire type or left over is never consumed, and `finish`
//! refuses it: canonical form needs no bookkeeping. Every field number of the protocol fits a tag of one byte.

/// Why bytes are not the one encoding of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A varint or a length runs past the end.
    #[error("cut off")]
    Truncated,
    /// A varint is longer than needed, or greater than its type.
    #[error("a number that is not minimal or out of range")]
    Number,
    /// A field is there with the value that it has when absent.
    #[error("a default value that is written out")]
    Default,
    /// A string is not UTF-8.
    #[error("a string that is not UTF-8")]
    Utf8,
    /// A field is unknown, repeated, out of order or of another wire type; or bytes are left over.
    #[error("a field that is unknown, repeated, out of order or of the wrong type")]
    Unexpected,
    /// A message field that always has to be there is not.
    #[error("a message that is missing")]
    Missing,
}

const VARINT: u8 = 0;
const BYTES: u8 = 2;

const fn tag(field: u8, wire: u8) -> u8 {
    field << 3 | wire
}

/// Reads one message.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// A uint64 field; 0 where absent.
    pub(crate) fn uint64(&mut self, field: u8) -> Result<u64, WireError> {
        if !self.next_is(field, VARINT) {
            return Ok(0);
        }
        match self.varint()? {
            0 => Err(WireError::Default),
            value => Ok(value),
        }
    }

    /// A uint32 field; 0 where absent.
    pub(crate) fn uint32(&mut self, field: u8) -> Result<u32, WireError> {
        u32::try_from(self.uint64(field)?).map_err(|_| WireError::Number)
    }

    /// A bool field; false where absent.
    pub(crate) fn bool(&mut self, field: u8) -> Result<bool, WireError> {
        match self.uint64(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Number),
        }
    }

    /// A bytes field; empty where absent.
    pub(crate) fn bytes(&mut self, field: u8) -> Result<&'a [u8], WireError> {
        match self.message(field)? {
            Some([]) => Err(WireError::Default),
            Some(bytes) => Ok(bytes),
            None => Ok(&[]),
        }
    }

    /// A string field; empty where absent.
    pub(crate) fn string(&mut self, field: u8) -> Result<&'a str, WireError> {
        str::from_utf8(self.bytes(field)?).map_err(|_| WireError::Utf8)
    }

    /// A message field, or one element of a repeated one: may be there and empty.
    pub(crate) fn message(&mut self, field: u8) -> Result<Option<&'a [u8]>, WireError> {
        if !self.next_is(field, BYTES) {
            return Ok(None);
        }
        let len = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(Some(bytes))
    }

    /// All elements of a repeated field.
    pub(crate) fn repeated(&mut self, field: u8) -> Result<Repeated<'a>, WireError> {
        let start = self.rest;
        let mut count = 0;
        while self.message(field)?.is_some() {
            count += 1;
        }
        let (region, _) = start.split_at(start.len() - self.rest.len());
        Ok(Repeated {
            region,
            field,
            count,
        })
    }

    /// The number of the next field, if there is one that a single byte tells.
    pub(crate) fn peek_field(&self) -> Option<u8> {
        self.rest.first().map(|byte| byte >> 3)
    }

    /// Refuses what is left.
    pub(crate) fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(WireError::Unexpected)
        }
    }

    fn next_is(&mut self, field: u8, wire: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == tag(field, wire) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(WireError::Truncated)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && byte > 1 || shift > 0 && byte == 0 {
                return Err(WireError::Number);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Number)
    }
}

/// The elements of a repeated field as they stand on the wire, tags and lengths included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeated<'a> {
    region: &'a [u8],
    field: u8,
    count: usize,
}

impl<'a> Repeated<'a> {
    /// A region that [`Reader::repeated`] gave, kept elsewhere since.
    pub(crate) fn kept(region: &'a [u8], field: u8, count: usize) -> Self {
        Self {
            region,
            field,
            count,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The wire form of all the elements.
    pub(crate) fn region(&self) -> &'a [u8] {
        self.region
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let field = self.field;
        let mut reader = Reader::new(self.region);
        std::iter::from_fn(move || reader.message(field).ok().flatten())
    }
}

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
