//! The inner pass (SPEC sections 3 and 7): payloads of tokens and of discharges.

use crate::limits::MAX_CLAIMS_TYPE;
use crate::wire::{Reader, Short, WireError, put_bytes, put_header, put_uint};

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

    /// The encoding; what has no limit of its own stays where it is. The other fields are within theirs.
    #[inline]
    pub(crate) fn encode(&self) -> Encoded<'a> {
        let mut front = Short::new();
        put_uint(&mut front, 1, self.not_before);
        put_uint(&mut front, 2, self.not_after);
        put_bytes(&mut front, 3, self.token_id);
        put_bytes(&mut front, 4, self.claims_type.as_bytes());
        if !self.claims.is_empty() {
            put_header(&mut front, 5, self.claims.len());
        }
        Encoded {
            front,
            claims: self.claims,
        }
    }
}

/// An encoded payload.
pub(crate) struct Encoded<'a> {
    front: Short<FRONT>,
    claims: &'a [u8],
}

/// Room for two times, an id, the longest type, and headers.
const FRONT: usize = 2 * 11 + 18 + (3 + MAX_CLAIMS_TYPE) + 11;

impl<'a> Encoded<'a> {
    /// All but the claims.
    pub(crate) fn front(&self) -> &[u8] {
        self.front.as_slice()
    }

    /// What is behind that.
    pub(crate) fn claims(&self) -> &'a [u8] {
        self.claims
    }

    pub(crate) fn len(&self) -> usize {
        self.front().len() + self.claims.len()
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

    /// The encoding. The ticket and the binding are within their limits.
    pub(crate) fn encode(&self) -> Encoded<'static> {
        let mut front = Short::new();
        put_uint(&mut front, 1, self.not_before);
        put_uint(&mut front, 2, self.not_after);
        put_bytes(&mut front, 3, self.ticket);
        put_bytes(&mut front, 4, self.bound_to);
        Encoded { front, claims: &[] }
    }
}
