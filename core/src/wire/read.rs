//! Reading canonical messages, borrowed from the bytes.

use super::{BYTES, VARINT, WireError, tag};

/// Reads one message.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(always)]
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// A uint64 field; 0 where absent.
    #[inline(always)]
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
    #[inline(always)]
    pub(crate) fn uint32(&mut self, field: u8) -> Result<u32, WireError> {
        u32::try_from(self.uint64(field)?).map_err(|_| WireError::Number)
    }

    /// A bool field; false where absent.
    #[inline(always)]
    pub(crate) fn bool(&mut self, field: u8) -> Result<bool, WireError> {
        match self.uint64(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Number),
        }
    }

    /// A bytes field; empty where absent.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, field: u8) -> Result<&'a [u8], WireError> {
        match self.message(field)? {
            Some([]) => Err(WireError::Default),
            Some(bytes) => Ok(bytes),
            None => Ok(&[]),
        }
    }

    /// A string field; empty where absent.
    #[inline(always)]
    pub(crate) fn string(&mut self, field: u8) -> Result<&'a str, WireError> {
        str::from_utf8(self.bytes(field)?).map_err(|_| WireError::Utf8)
    }

    /// A message field, or one element of a repeated one: may be there and empty.
    #[inline(always)]
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
    #[inline(always)]
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
    #[inline(always)]
    pub(crate) fn peek_field(&self) -> Option<u8> {
        self.rest.first().map(|byte| byte >> 3)
    }

    /// Refuses what is left.
    #[inline(always)]
    pub(crate) fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(WireError::Unexpected)
        }
    }

    #[inline(always)]
    fn next_is(&mut self, field: u8, wire: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == tag(field, wire) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest.split_first() {
            Some((&byte @ 0..0x80, rest)) => {
                self.rest = rest;
                Ok(byte.into())
            }
            _ => {
                let (value, rest) = match self.rest.first_chunk() {
                    Some(bytes) => middle_varint(*bytes, self.rest)?,
                    None => long_varint(self.rest)?,
                };
                self.rest = rest;
                Ok(value)
            }
        }
    }
}

/// A number and what is behind it, of no more than the eight bytes that `message` begins with: all at once.
#[inline]
fn middle_varint(bytes: [u8; 8], message: &[u8]) -> Result<(u64, &[u8]), WireError> {
    const MORE: u64 = 0x8080_8080_8080_8080;
    let bytes = u64::from_le_bytes(bytes);
    let last = !bytes & MORE;
    if last == 0 {
        return long_varint(message);
    }
    // All bits up to the first byte without `MORE`, without that bit of each.
    let sevens = bytes & (last ^ (last - 1)) & !MORE;
    let fourteens = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
    let twenty_eights =
        fourteens & 0x0000_3fff_0000_3fff | (fourteens & 0x3fff_0000_3fff_0000) >> 2;
    let value = twenty_eights & 0x0fff_ffff | (twenty_eights & 0x0fff_ffff_0000_0000) >> 4;
    let more = last.trailing_zeros() as usize / 8;
    // A last byte of zero says nothing.
    if more > 0 && value >> (7 * more) == 0 {
        return Err(WireError::Number);
    }
    Ok((value, &message[more + 1..]))
}

#[cold]
fn long_varint(message: &[u8]) -> Result<(u64, &[u8]), WireError> {
    let mut value = 0;
    for (at, &byte) in message.iter().enumerate().take(LONGEST_VARINT) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            let is_minimal = byte > 0 || at == 0;
            let fits = at + 1 < LONGEST_VARINT || byte == 1;
            return if is_minimal && fits {
                Ok((value, &message[at + 1..]))
            } else {
                Err(WireError::Number)
            };
        }
    }
    Err(if message.len() < LONGEST_VARINT {
        WireError::Truncated
    } else {
        WireError::Number
    })
}

/// Bytes that 64 bits take, seven at a time.
const LONGEST_VARINT: usize = 10;

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

    #[inline]
    pub(crate) fn iter(&self) -> Elements<'a> {
        Elements::of(self.region, self.field)
    }
}

/// The elements one by one.
pub(crate) struct Elements<'a> {
    reader: Reader<'a>,
    field: u8,
}

impl<'a> Elements<'a> {
    /// Those of a region that [`Reader::repeated`] gave.
    #[inline]
    pub(crate) fn of(region: &'a [u8], field: u8) -> Self {
        Self {
            reader: Reader::new(region),
            field,
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.reader.message(self.field).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Bytes with `more` as often as without.
        #[test]
        fn a_number_is_read_the_same_all_at_once(message: [u8; 12], zero in 0..12_usize) {
            let mut message = message;
            for changed in [false, true] {
                if changed {
                    message[zero] = 0;
                }
                let first = *message.first_chunk().unwrap();
                prop_assert_eq!(middle_varint(first, &message), long_varint(&message));
            }
        }
    }
}
