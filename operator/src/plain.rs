//! What others wrote, fit for a terminal: it can neither steer one nor pretend to be our own words.

use std::{fmt::Write as _, io};

use serde_json::ser::Formatter;

/// Whether a character shows as itself. Control characters and those that turn the direction of writing do not, as in the
/// text form of caveats.
fn prints(c: char) -> bool {
    if c.is_ascii() {
        !c.is_ascii_control()
    } else {
        c.escape_debug().len() == 1
    }
}

/// The text with `\u{HEX}` for each character that does not print, line breaks too. Backslashes stay: what was escaped
/// already reads as it did.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push(&mut out, text, |_| false);
    out
}

/// The same for text of several lines, at the end of `out`.
pub(crate) fn push_lines(out: &mut String, text: &str) {
    push(out, text, |c| c == '\n');
}

/// The entries of a list, with a space between them and none inside.
pub(crate) fn words(list: &[String]) -> String {
    let words: Vec<_> = list
        .iter()
        .map(|word| plain(word).replace(' ', r"\u{20}"))
        .collect();
    words.join(" ")
}

fn push(out: &mut String, text: &str, is_layout: impl Fn(char) -> bool) {
    for c in text.chars() {
        if prints(c) || is_layout(c) {
            out.push(c);
        } else {
            // A `String` takes all that is written.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// JSON on one line whose strings are plain, too.
pub(crate) struct PlainJson;

impl Formatter for PlainJson {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !prints(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize as _;

    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\nb\u{9b}c\u{202e}d\u{7f}\u{e0001}é猫";

    #[test]
    fn what_does_not_print_is_escaped() {
        let shown = plain(HOSTILE);
        assert_eq!(shown, r"a\u{1b}[2J\u{a}b\u{9b}c\u{202e}d\u{7f}\u{e0001}é猫");
        assert_eq!(plain(&shown), shown);
        assert_eq!(words(&["a b".into(), "c".into()]), r"a\u{20}b c");
    }

    #[test]
    fn json_says_the_same_in_other_characters() {
        let mut out = Vec::new();
        let mut to = serde_json::Serializer::with_formatter(&mut out, PlainJson);
        HOSTILE.serialize(&mut to).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(prints), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), HOSTILE);
    }
}
