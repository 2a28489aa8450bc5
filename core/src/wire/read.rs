//! Reading canonical messages, borrowed from the bytes.

use super::{BYTES, VARINT, WireError, tag};

/// Reads one message.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// A uint64 field; 0 where absent.
    #[inline]
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
    #[inline]
    pub(crate) fn uint32(&mut self, field: u8) -> Result<u32, WireError> {
        u32::try_from(self.uint64(field)?).map_err(|_| WireError::Number)
    }

    /// A bool field; false where absent.
    #[inline]
    pub(crate) fn bool(&mut self, field: u8) -> Result<bool, WireError> {
        match self.uint64(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Number),
        }
    }

    /// A bytes field; empty where absent.
    #[inline]
    pub(crate) fn bytes(&mut self, field: u8) -> Result<&'a [u8], WireError> {
        match self.message(field)? {
            Some([]) => Err(WireError::Default),
            Some(bytes) => Ok(bytes),
            None => Ok(&[]),
        }
    }

    /// A string field; empty where absent.
    #[inline]
    pub(crate) fn string(&mut self, field: u8) -> Result<&'a str, WireError> {
        str::from_utf8(self.bytes(field)?).map_err(|_| WireError::Utf8)
    }

    /// A message field, or one element of a repeated one: may be there and empty.
    #[inline]
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
    #[inline]
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
    #[inline]
    pub(crate) fn peek_field(&self) -> Option<u8> {
        self.rest.first().map(|byte| byte >> 3)
    }

    /// Refuses what is left.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(WireError::Unexpected)
        }
    }

    #[inline]
    fn next_is(&mut self, field: u8, wire: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == tag(field, wire) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest.split_first() {
            Some((&byte @ 0..0x80, rest)) => {
                self.rest = rest;
                Ok(byte.into())
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for (at, &byte) in self.rest.iter().enumerate().take(LONGEST_VARINT) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                let is_minimal = byte > 0 || at == 0;
                let fits = at + 1 < LONGEST_VARINT || byte == 1;
                self.rest = &self.rest[at + 1..];
                return if is_minimal && fits {
                    Ok(value)
                } else {
                    Err(WireError::Number)
                };
            }
        }
        Err(if self.rest.len() < LONGEST_VARINT {
            WireError::Truncated
        } else {
            WireError::Number
        })
    }
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
