//! A caveat's one encoding, and what makes a caveat that can never hold.

use std::borrow::Cow;

use super::{AnyOf, Caveat, addr, path};
use crate::limits::{MAX_CAVEAT, MAX_TICKET, MIN_TICKET};
use crate::name::{NameError, check_principal};
use crate::wire::{Count, Reader, Sink, WireError, put_bytes, put_element, put_header, put_uint};

/// Why a caveat holds for no request: it cannot be read, or should not have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaveatError {
    /// It is not the one encoding of a caveat.
    #[error("the caveat is not canonically encoded: {0}")]
    Wire(#[from] WireError),
    /// It has no kind, or one that this version does not know.
    #[error("the caveat has no known kind")]
    Kind,
    /// An empty `any_of`.
    #[error("the list is empty; it needs at least one entry")]
    EmptyAnyOf,
    /// An id, digest or ticket of the wrong length.
    #[error("an id, digest or ticket has {len} bytes")]
    Length {
        /// The bytes that it has.
        len: usize,
    },
    /// A context's key is empty.
    #[error("the context's key is empty")]
    EmptyKey,
    /// The encoding is longer than 1,024 bytes.
    #[error("the caveat takes {len} bytes; at most 1,024 are allowed")]
    TooLong {
        /// The bytes that it takes.
        len: usize,
    },
    /// A time window ends before it begins.
    #[error("the time window ends before it begins")]
    EmptyWindow,
    /// A path prefix does not begin with `/`, or no path that a verifier lets pass can lie under it.
    #[error(
        "no path lies under this prefix: it begins with `/` and has no `.`, `..`, `?`, `;` or `\\` (SPEC section 3.1)"
    )]
    Prefix,
    /// An entry is not an address block.
    #[error(
        "not an address block like 192.0.2.0/24 or 2001:db8::/32, with zeros behind its length"
    )]
    Block,
    /// The third party is no principal.
    #[error("the third party: {0}")]
    Principal(NameError),
}

impl<'a> Caveat<'a> {
    /// Reads an encoded caveat (SPEC section 3), without a copy.
    ///
    /// # Errors
    /// It is not canonical, has no kind, an empty `any_of`, or a field of the wrong length: it FAILS wherever it is met.
    pub fn parse(encoded: &'a [u8]) -> Result<Self, CaveatError> {
        let mut reader = Reader::new(encoded);
        let kind = reader.peek_field().ok_or(CaveatError::Kind)?;
        if !(1..=11).contains(&kind) {
            return Err(CaveatError::Kind);
        }
        let body = reader.message(kind)?.ok_or(WireError::Unexpected)?;
        reader.finish()?;
        let mut body = Reader::new(body);
        let caveat = Self::parse_kind(kind, &mut body)?;
        body.finish()?;
        caveat.check_shape()?;
        Ok(caveat)
    }

    fn parse_kind(kind: u8, body: &mut Reader<'a>) -> Result<Self, CaveatError> {
        Ok(match kind {
            1 => Self::TimeWindow {
                not_before: body.uint64(1)?,
                not_after: body.uint64(2)?,
            },
            2 => Self::Scopes(any_of(body)?),
            3 => Self::Methods(any_of(body)?),
            4 => Self::PathPrefix(Cow::Borrowed(body.string(1)?)),
            5 => Self::SourceAddr(any_of(body)?),
            6 => Self::ClientCert(exactly(body.bytes(1)?)?),
            7 => Self::Request {
                digest: exactly(body.bytes(1)?)?,
                body: body.bool(2)?,
            },
            8 => Self::Context {
                key: Cow::Borrowed(body.string(1)?),
                value: Cow::Borrowed(body.string(2)?),
            },
            9 => Self::ThirdParty {
                principal: Cow::Borrowed(body.string(1)?),
                ticket: Cow::Borrowed(body.bytes(2)?),
            },
            10 => Self::SingleUse {
                id: exactly(body.bytes(1)?)?,
            },
            11 => Self::RevocationId {
                id: exactly(body.bytes(1)?)?,
            },
            _ => return Err(CaveatError::Kind),
        })
    }

    /// What SPEC section 5, step 7 asks of every caveat before it looks at the request.
    fn check_shape(&self) -> Result<(), CaveatError> {
        match self {
            Self::Scopes(any_of) | Self::Methods(any_of) | Self::SourceAddr(any_of)
                if any_of.is_empty() =>
            {
                Err(CaveatError::EmptyAnyOf)
            }
            Self::Context { key, .. } if key.is_empty() => Err(CaveatError::EmptyKey),
            Self::ThirdParty { ticket, .. }
                if !(MIN_TICKET..=MAX_TICKET).contains(&ticket.len()) =>
            {
                Err(CaveatError::Length { len: ticket.len() })
            }
            _ => Ok(()),
        }
    }

    /// Whether some request could pass this caveat; what mints and attenuates asks first.
    ///
    /// # Errors
    /// No verifier would ever let it hold.
    pub fn check(&self) -> Result<(), CaveatError> {
        self.check_shape()?;
        match self {
            Self::TimeWindow {
                not_before,
                not_after,
            } if *not_after != 0 && not_after < not_before => {
                return Err(CaveatError::EmptyWindow);
            }
            Self::PathPrefix(prefix) if !path::prefix_is_possible(prefix) => {
                return Err(CaveatError::Prefix);
            }
            Self::SourceAddr(any_of)
                if any_of
                    .iter()
                    .any(|entry| addr::Block::parse(entry).is_none()) =>
            {
                return Err(CaveatError::Block);
            }
            Self::ThirdParty { principal, .. } => {
                check_principal(principal).map_err(CaveatError::Principal)?;
            }
            _ => {}
        }
        match self.encoded_len() {
            len if len > MAX_CAVEAT => Err(CaveatError::TooLong { len }),
            _ => Ok(()),
        }
    }

    /// Appends the encoding to `out`, if some request could pass the caveat.
    ///
    /// # Errors
    /// As [`check`](Self::check); `out` is as it was then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), CaveatError> {
        self.check()?;
        self.put(out);
        Ok(())
    }

    pub(crate) fn encoded_len(&self) -> usize {
        Count::of(|out| self.put(out))
    }

    pub(crate) fn put(&self, out: &mut (impl Sink + ?Sized)) {
        put_header(out, self.number(), Count::of(|out| self.put_kind(out)));
        self.put_kind(out);
    }

    fn number(&self) -> u8 {
        match self {
            Self::TimeWindow { .. } => 1,
            Self::Scopes(_) => 2,
            Self::Methods(_) => 3,
            Self::PathPrefix(_) => 4,
            Self::SourceAddr(_) => 5,
            Self::ClientCert(_) => 6,
            Self::Request { .. } => 7,
            Self::Context { .. } => 8,
            Self::ThirdParty { .. } => 9,
            Self::SingleUse { .. } => 10,
            Self::RevocationId { .. } => 11,
        }
    }

    fn put_kind(&self, out: &mut (impl Sink + ?Sized)) {
        match self {
            Self::TimeWindow {
                not_before,
                not_after,
            } => {
                put_uint(out, 1, *not_before);
                put_uint(out, 2, *not_after);
            }
            Self::Scopes(any_of) | Self::Methods(any_of) | Self::SourceAddr(any_of) => {
                for entry in any_of.iter() {
                    put_element(out, 1, entry.as_bytes());
                }
            }
            Self::PathPrefix(prefix) => put_bytes(out, 1, prefix.as_bytes()),
            Self::ClientCert(sha256) => put_bytes(out, 1, sha256),
            Self::Request { digest, body } => {
                put_bytes(out, 1, digest);
                put_uint(out, 2, u64::from(*body));
            }
            Self::Context { key, value } => {
                put_bytes(out, 1, key.as_bytes());
                put_bytes(out, 2, value.as_bytes());
            }
            Self::ThirdParty { principal, ticket } => {
                put_bytes(out, 1, principal.as_bytes());
                put_bytes(out, 2, ticket);
            }
            Self::SingleUse { id } | Self::RevocationId { id } => put_bytes(out, 1, id),
        }
    }
}

fn any_of<'a>(body: &mut Reader<'a>) -> Result<AnyOf<'a>, WireError> {
    let entries = body.repeated(1)?;
    if entries.iter().any(|entry| str::from_utf8(entry).is_err()) {
        return Err(WireError::Utf8);
    }
    Ok(AnyOf::wire(entries))
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], CaveatError> {
    bytes
        .try_into()
        .map_err(|_| CaveatError::Length { len: bytes.len() })
}
