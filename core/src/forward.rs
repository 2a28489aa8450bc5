//! The header `x-cat-forward`: presentations that a caller carries on for whoever it calls for.

use std::borrow::Cow;
use std::fmt;

use crate::limits::{MAX_FORWARD_HEADER, MAX_FORWARDED};
use crate::text::{BLANK, DISCHARGE};

/// Name of the header (or gRPC metadata) that carries forwarded presentations.
pub const FORWARD_HEADER: &str = "x-cat-forward";

/// Key of the `context` caveat that a forwarded token has to have. Its value is the principal that may present the token, which a
/// verifier knows from that principal's own token and takes from nobody else.
pub const PRESENTER_KEY: &str = "presenter";

/// What the `x-cat-forward` headers of a request carry: at least one presentation, whatever they say.
#[derive(Clone, PartialEq, Eq)]
pub struct ForwardHeader<'a>(Cow<'a, str>);

impl<'a> ForwardHeader<'a> {
    /// Reads the values of all such headers of a request, in their order; `None` where there is none. Several lines mean the same as
    /// one with commas between them (RFC 9110, section 5.3); only then something is copied.
    ///
    /// More than 8 presentations or 65,536 bytes count as a single one, which is malformed.
    pub fn read(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut values = values.into_iter();
        // What is not UTF-8 becomes a part that no token has.
        let mut whole = String::from_utf8_lossy(values.next()?);
        for value in values {
            if whole.len() > MAX_FORWARD_HEADER {
                break;
            }
            let whole = whole.to_mut();
            whole.push(',');
            whole.push_str(&String::from_utf8_lossy(value));
        }
        let is_too_much =
            whole.len() > MAX_FORWARD_HEADER || split(&whole).nth(MAX_FORWARDED).is_some();
        Some(Self(if is_too_much {
            Cow::Borrowed("")
        } else {
            whole
        }))
    }

    /// All of it as the value of one header: a secret while its tokens are good.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The presentations, each one to be verified on its own. A part that begins with `cat1_` begins one, the discharges behind it
    /// belong to it, and any other part is one that is malformed. There is at least one.
    pub fn presentations(&self) -> impl Iterator<Item = &str> {
        split(&self.0)
    }
}

/// Without the tokens.
impl fmt::Debug for ForwardHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForwardHeader(..)")
    }
}

fn split(whole: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(whole);
    std::iter::from_fn(move || {
        let text = rest?;
        let next = text.match_indices(',').map(|(at, _)| at).find(|at| {
            let part = text[at + 1..].trim_start_matches(BLANK);
            !part.starts_with(DISCHARGE)
        });
        rest = next.map(|at| &text[at + 1..]);
        Some(text[..next.unwrap_or(text.len())].trim_matches(BLANK))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&[u8]]) -> Vec<String> {
        let header = ForwardHeader::read(lines.iter().copied()).unwrap();
        header.presentations().map(str::to_owned).collect()
    }

    #[test]
    fn no_header_is_none_and_an_empty_one_is_a_malformed_presentation() {
        assert!(ForwardHeader::read([]).is_none());
        assert_eq!(read(&[b""]), [""]);
        assert_eq!(read(&[b" ,\t"]), ["", ""]);
    }

    #[test]
    fn a_token_begins_a_presentation_and_its_discharges_follow() {
        let line: &[u8] = b"cat1_A, catd1_B ,\tcatd1_C,cat1_D";
        let expected = ["cat1_A, catd1_B ,\tcatd1_C", "cat1_D"];
        assert_eq!(read(&[line]), expected);
    }

    #[test]
    fn lines_mean_the_same_as_commas() {
        let lines: [&[u8]; 3] = [b"cat1_A", b"catd1_B, cat1_C ", b"catd1_D"];
        assert_eq!(read(&lines), ["cat1_A,catd1_B", "cat1_C ,catd1_D"]);
        let header = ForwardHeader::read(lines).unwrap();
        let again = ForwardHeader::read([header.as_str().as_bytes()]).unwrap();
        assert!(again == header && again.presentations().eq(header.presentations()));
    }

    #[test]
    fn anything_else_stands_alone_and_takes_nothing_along() {
        let line: &[u8] = b"cat1_A,Bearer cat1_B,cat1_C,,CAT1_D,catd1_E";
        let expected = ["cat1_A", "Bearer cat1_B", "cat1_C", "", "CAT1_D,catd1_E"];
        assert_eq!(read(&[line]), expected);
        assert_eq!(
            read(&[b"catd1_A,catd1_B,cat1_C"]),
            ["catd1_A,catd1_B", "cat1_C"]
        );
        assert_eq!(
            read(&[b"cat1_A", b"cat1_\xff"]),
            ["cat1_A", "cat1_\u{fffd}"]
        );
    }

    #[test]
    fn too_much_is_one_malformed_presentation() {
        let line = |count: usize| vec!["cat1_A"; count].join(",");
        assert_eq!(read(&[line(MAX_FORWARDED).as_bytes()]).len(), MAX_FORWARDED);
        assert_eq!(read(&[line(MAX_FORWARDED + 1).as_bytes()]), [""]);
        assert_eq!(read(&[line(MAX_FORWARDED).as_bytes(), b"cat1_A"]), [""]);
        let long = |len: usize| format!("cat1_{}", "A".repeat(len - 5));
        assert_eq!(read(&[long(MAX_FORWARD_HEADER).as_bytes()]).len(), 1);
        assert_eq!(read(&[long(MAX_FORWARD_HEADER + 1).as_bytes()]), [""]);
        assert_eq!(
            read(&[long(MAX_FORWARD_HEADER).as_bytes(), b"cat1_A"]),
            [""]
        );
    }

    #[test]
    fn tokens_are_kept_out_of_logs() {
        let header = ForwardHeader::read([&b"cat1_secret"[..]]);
        assert!(!format!("{header:?}").contains("secret"));
    }
}
