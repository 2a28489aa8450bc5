//! The inner pass (SPEC sections 3 and 7): payloads of tokens and of discharges.

use crate::limits::MAX_CLAIMS_TYPE;
use crate::wire::{Reader, Sink, WireError, put_bytes, put_uint};

/// A token's payload, as it is written: the lengths and the syntax are the reader's to check.
pub(crate) struct Payload<'a> {
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
    pub(crate) token_id: &'a [u8],
    pub(crate) claims_type: &'a str,
    pub(crate) claims: &'a [u8],
}

impl<'a> Payload<'a> {
    pub(crate) fn decode(message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        let payload = Self {
            not_before: reader.uint64(1)?,
            not_after: reader.uint64(2)?,
            token_id: reader.bytes(3)?,
            claims_type: reader.string(4)?,
            claims: reader.bytes(5)?,
        };
        reader.finish()?;
        Ok(payload)
    }

    pub(crate) fn put(&self, out: &mut (impl Sink + ?Sized)) {
        put_uint(out, 1, self.not_before);
        put_uint(out, 2, self.not_after);
        put_bytes(out, 3, self.token_id);
        put_bytes(out, 4, self.claims_type.as_bytes());
        put_bytes(out, 5, self.claims);
    }
}

pub(crate) fn claims_type_is_valid(name: &str) -> bool {
    name.len() <= MAX_CLAIMS_TYPE
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

/// A discharge's payload, as it is written.
pub(crate) struct DischargePayload<'a> {
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
    pub(crate) ticket: &'a [u8],
    pub(crate) bound_to: &'a [u8],
}

impl<'a> DischargePayload<'a> {
    pub(crate) fn decode(message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        let payload = Self {
            not_before: reader.uint64(1)?,
            not_after: reader.uint64(2)?,
            ticket: reader.bytes(3)?,
            bound_to: reader.bytes(4)?,
        };
        reader.finish()?;
        Ok(payload)
    }

    pub(crate) fn put(&self, out: &mut (impl Sink + ?Sized)) {
        put_uint(out, 1, self.not_before);
        put_uint(out, 2, self.not_after);
        put_bytes(out, 3, self.ticket);
        put_bytes(out, 4, self.bound_to);
    }
}
