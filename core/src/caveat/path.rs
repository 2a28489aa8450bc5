//! Path prefixes (SPEC section 3.1): exact comparison, on paths that servers read in one way only.

use crate::name::Allowed;

/// Whether `path` lies under `prefix`.
pub(super) fn holds(prefix: &str, path: &str) -> bool {
    prefix.starts_with('/') && is_plain(path) && lies_under(prefix, path)
}

/// Whether any path at all can lie under `prefix`: the prefix itself has to be one that passes.
pub(super) fn prefix_is_possible(prefix: &str) -> bool {
    let bare = prefix.strip_suffix('/').unwrap_or(prefix);
    prefix.starts_with('/') && (bare.is_empty() || is_plain(bare))
}

fn lies_under(prefix: &str, path: &str) -> bool {
    let bare = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(bare)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path that every server reads in the same way.
fn is_plain(path: &str) -> bool {
    let path = path.as_bytes();
    path.first() == Some(&b'/')
        && ALLOWED.all(path)
        && path
            .split(|byte| *byte == b'/')
            .all(|segment| segment != b"." && !segment.starts_with(b".."))
        && (memchr::memchr(b'%', path).is_none() || escapes_are_plain(path))
}

static ALLOWED: Allowed = Allowed::of(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._~!$&'()*+,=:@%-",
);

/// Every `%` begins an escape, none encodes a byte that some server acts on, and what they decode to is UTF-8.
fn escapes_are_plain(mut path: &[u8]) -> bool {
    while let Some((&first, rest)) = path.split_first() {
        path = rest;
        if first != b'%' {
            continue;
        }
        let Some(lead) = escaped(&mut path) else {
            return false;
        };
        if lead < 0x20 || b"\x7f./\\;%?#".contains(&lead) {
            return false;
        }
        // A character's other bytes are escapes as well, since a raw byte is ASCII here.
        let mut character = [lead, 0, 0, 0];
        let len = match lead {
            0..=0x7f => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return false,
        };
        for byte in &mut character[1..len] {
            let Some(rest) = path.strip_prefix(b"%") else {
                return false;
            };
            path = rest;
            let Some(next) = escaped(&mut path) else {
                return false;
            };
            *byte = next;
        }
        if str::from_utf8(&character[..len]).is_err() {
            return false;
        }
    }
    true
}

/// The byte behind a `%`.
fn escaped(path: &mut &[u8]) -> Option<u8> {
    let ([high, low], rest) = path.split_first_chunk()?;
    let digit = |b: &u8| {
        (*b as char)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let byte = digit(high)? << 4 | digit(low)?;
    *path = rest;
    Some(byte)
}
