//! The canonical encoding (SPEC section 3): protobuf with exactly one encoding for each message.
//!
//! A decoder is a straight line of reads in ascending order of field number, and [`Reader::finish`] behind it. So
//! whatever is out of order, repeated, unknown, of another wire type or left over is never consumed, and `finish`
//! refuses it: canonical form needs no bookkeeping. Every field number of the protocol fits a tag of one byte.

mod read;
mod write;

pub(crate) use read::{Elements, Reader, Repeated};
pub(crate) use write::{
    Count, Short, Sink, element_len, put_bytes, put_element, put_header, put_uint,
};

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
