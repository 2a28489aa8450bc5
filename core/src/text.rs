//! Text forms (SPEC section 4): base64url behind a prefix, presentations, and the `Authorization` header.

use std::fmt;
use std::mem;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;
use zeroize::Zeroize;

use crate::form::FormError;
use crate::limits::MAX_MESSAGE;
use crate::wire::Sink;

pub(crate) const TOKEN: &str = "cat1_";
pub(crate) const DISCHARGE: &str = "catd1_";
pub(crate) const KEY: &str = "catkey1_";
/// What may stand round the commas between parts.
pub(crate) const BLANK: [char; 2] = [' ', '\t'];

/// base64url without padding (RFC 4648, section 5), by what the processor has for it.
static BASE64URL: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

/// Decodes one text into the front of `buffer`, and returns what is behind it as well. The buffer has room for
/// [`MAX_MESSAGE`] bytes.
pub(crate) fn decode<'b>(
    prefix: &'static str,
    text: &str,
    buffer: &'b mut [u8],
) -> Result<(&'b [u8], &'b mut [u8]), FormError> {
    let digits = text.strip_prefix(prefix).ok_or(FormError::Prefix(prefix))?;
    // The exact size, without padding: ⌊3n/4⌋. It decides before any work is done.
    let len = digits.len() / 4 * 3 + digits.len() % 4 * 3 / 4;
    if len > MAX_MESSAGE {
        return Err(FormError::TooLong);
    }
    let (decoded, rest) = buffer.split_at_mut_checked(len).ok_or(FormError::TooLong)?;
    match BASE64URL.decode_slice(digits, decoded) {
        Ok(written) if written == len => Ok((decoded, rest)),
        _ => Err(FormError::Base64),
    }
}

/// A presentation's parts: the token, then its discharges. Spaces and tabs stand round commas only.
pub(crate) fn parts(presentation: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(presentation);
    let mut first = true;
    std::iter::from_fn(move || {
        let (part, next) = match split_once_at_comma(rest?) {
            Some((part, next)) => (part.trim_end_matches(BLANK), Some(next)),
            None => (rest?, None),
        };
        rest = next;
        let part = if first {
            part
        } else {
            part.trim_start_matches(BLANK)
        };
        first = false;
        Some(part)
    })
}

fn split_once_at_comma(text: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr(b',', text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The presentation in the value of an `Authorization` header: what follows `Bearer ` (in any case), or `None` where
/// the scheme is another. A server may have trimmed the blank before an empty one.
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, presentation) = value.split_once(' ').unwrap_or((value, ""));
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(presentation)
}

/// What the `Authorization` headers of a request say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// There is none of the scheme `Bearer`.
    Absent,
    /// This presentation.
    Presentation(&'a str),
    /// Two headers, of which one is `Bearer`, or one that is not text: `malformed`.
    Malformed,
}

/// Without the presentation, which is a secret while it is good.
impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Presentation(_) => "Presentation(..)",
            Self::Malformed => "Malformed",
        })
    }
}

/// Reads all of a request's `Authorization` headers (or gRPC metadata `authorization`).
pub fn authorization<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Authorization<'a> {
    let mut count = 0;
    let mut found = Authorization::Absent;
    for value in values {
        count += 1;
        let is_bearer = value
            .split(|byte| *byte == b' ')
            .next()
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"));
        match str::from_utf8(value) {
            Ok(text) if is_bearer && found == Authorization::Absent => {
                found = bearer(text).map_or(Authorization::Malformed, Authorization::Presentation);
            }
            _ if is_bearer => found = Authorization::Malformed,
            _ => {}
        }
    }
    if count > 1 && found != Authorization::Absent {
        Authorization::Malformed
    } else {
        found
    }
}

/// A multiple of three, so that no chunk but the last ends inside a digit.
const CHUNK: usize = 192;

/// So many bytes at once are encoded faster than few (the engine's least number is 128), and this is a multiple of three as well.
const MANY: usize = 129;

/// Room for a text of `len` bytes in an empty string. Where it has to be made, there is more, so that the end is encoded fast as well.
pub(crate) fn make_room(out: &mut String, len: usize) {
    if out.capacity() < len {
        out.reserve(len + encoded_len("", MANY));
    }
}

/// Writes bytes as base64url at the end of a string, a chunk at a time, so that no copy of the whole is needed. The string is empty until that
/// is finished.
pub(crate) struct Base64<'a> {
    out: &'a mut String,
    /// What the string was taken apart to: digits go straight to their place.
    text: Vec<u8>,
    pending: [u8; CHUNK],
    len: usize,
}

impl<'a> Base64<'a> {
    #[inline]
    pub(crate) fn new(out: &'a mut String) -> Self {
        let text = mem::take(out).into_bytes();
        Self {
            out,
            text,
            pending: [0; CHUNK],
            len: 0,
        }
    }

    /// Goes on behind the digits of `head`, which are written here.
    #[inline]
    pub(crate) fn behind(head: &Head, out: &'a mut String) -> Self {
        out.push_str(&head.digits);
        let mut text = Self::new(out);
        text.put(head.rest());
        text
    }

    #[inline]
    pub(crate) fn finish(mut self) {
        self.flush();
        // It was a string, and digits are ASCII: this cannot fail.
        *self.out = String::from_utf8(self.text).unwrap_or_default();
    }

    /// The same for what is secret.
    pub(crate) fn finish_and_wipe(mut self) {
        self.flush();
        self.pending.zeroize();
        self.finish();
    }

    fn flush(&mut self) {
        if self.len == 0 {
            return;
        }
        let written = self.text.len();
        let wanted = written + encoded_len("", self.len);
        // The digits of what stands behind the bytes are cut off; those that bytes share with it are as if nothing did.
        let mut len = self.len;
        if len < MANY && self.text.capacity() - written >= encoded_len("", MANY) {
            self.pending[len..len + 2].fill(0);
            len = MANY;
        }
        self.text.resize(written + encoded_len("", len), 0);
        // The room is just enough, so this cannot fail.
        let _ = BASE64URL.encode_slice(&self.pending[..len], &mut self.text[written..]);
        self.text.truncate(wanted);
        self.len = 0;
    }
}

impl Sink for Base64<'_> {
    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let take = bytes.len().min(CHUNK - self.len);
            let (now, later) = bytes.split_at(take);
            self.pending[self.len..self.len + take].copy_from_slice(now);
            self.len += take;
            bytes = later;
            if self.len == CHUNK {
                self.flush();
            }
        }
    }

    #[inline]
    fn put_byte(&mut self, byte: u8) {
        if self.len < CHUNK - 1 {
            self.pending[self.len] = byte;
            self.len += 1;
        } else {
            self.put(&[byte]);
        }
    }
}

/// The beginning of a message that many texts have in common, as digits, and the one or two bytes that share digits with what comes behind.
pub(crate) struct Head {
    digits: String,
    rest: [u8; 2],
    rest_len: usize,
}

impl Head {
    pub(crate) fn of(message: &[u8]) -> Self {
        let (whole, partial) = message.split_at(message.len() / 3 * 3);
        let mut rest = [0; 2];
        rest[..partial.len()].copy_from_slice(partial);
        Self {
            digits: BASE64URL.encode(whole),
            rest,
            rest_len: partial.len(),
        }
    }

    fn rest(&self) -> &[u8] {
        &self.rest[..self.rest_len]
    }

    /// Bytes of the message.
    pub(crate) fn len(&self) -> usize {
        self.digits.len() / 4 * 3 + self.rest_len
    }
}

/// The length of the text of a message of `len` bytes.
pub(crate) fn encoded_len(prefix: &str, len: usize) -> usize {
    prefix.len() + len / 3 * 4 + (len % 3 * 4).div_ceil(3)
}
