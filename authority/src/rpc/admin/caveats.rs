//! Caveats that a request gives, to be chained into keys later on.

use cattery_core::Caveat;
use cattery_core::limits::{MAX_CAVEATS, MAX_MESSAGE};

use crate::failure::Failure;

/// How many, and how many bytes of them all.
pub(in crate::rpc) struct Room {
    /// What they are of, with its article.
    of: &'static str,
    count: usize,
    bytes: usize,
}

/// Half of what a token may have, so that there is room for the token's own.
pub(super) const GRANT: Room = Room {
    of: "a grant",
    count: MAX_CAVEATS,
    bytes: MAX_MESSAGE / 2,
};

/// Beside those of a grant.
pub(in crate::rpc) const API_KEY: Room = Room {
    of: "an API key",
    count: MAX_CAVEATS / 2,
    bytes: MAX_MESSAGE / 4,
};

/// Each one can hold for some request, and together they fit into keys and tokens.
pub(in crate::rpc) fn check(caveats: &[Vec<u8>], room: &Room) -> Result<(), Failure> {
    let of = room.of;
    if caveats.len() > room.count {
        return Err(Failure::Invalid(format!(
            "{} caveats are too many for {of}: {} is the most",
            caveats.len(),
            room.count
        )));
    }
    for (index, encoded) in caveats.iter().enumerate() {
        Caveat::parse(encoded)
            .and_then(|caveat| caveat.check())
            .map_err(|error| Failure::caveat(index + 1, error))?;
    }
    let bytes: usize = caveats.iter().map(Vec::len).sum();
    if bytes > room.bytes {
        return Err(Failure::Invalid(format!(
            "the caveats have {bytes} bytes, and {} is the most for {of}",
            room.bytes
        )));
    }
    Ok(())
}
