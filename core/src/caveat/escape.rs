//! Backslash escapes of the text form of caveats.

use std::fmt::{self, Write};

use super::CaveatTextError;

/// Splits at the first `separator` that is not escaped.
pub(super) fn split_once(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == separator => return Some((&text[..at], &text[at + c.len_utf8()..])),
            _ => {}
        }
    }
    None
}

/// What an escaped text stands for.
pub(super) fn read(text: &str) -> Result<String, CaveatTextError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = behind.chars();
        match chars.next().ok_or(CaveatTextError::Escape)? {
            c @ ('\\' | ',' | '=') => out.push(c),
            'e' => {}
            'u' => {
                let (number, behind) = chars
                    .as_str()
                    .strip_prefix('{')
                    .and_then(|text| text.split_once('}'))
                    .ok_or(CaveatTextError::Escape)?;
                let digits = number.bytes().all(|b| b.is_ascii_hexdigit());
                let number = u32::from_str_radix(number, 16)
                    .ok()
                    .filter(|_| digits)
                    .and_then(char::from_u32);
                out.push(number.ok_or(CaveatTextError::Escape)?);
                chars = behind.chars();
            }
            _ => return Err(CaveatTextError::Escape),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(out)
}

/// Writes what stands for `text`, with this separator escaped, and whatever would not print as it is.
pub(super) fn write(
    f: &mut fmt::Formatter<'_>,
    text: &str,
    separator: Option<char>,
) -> fmt::Result {
    for c in text.chars() {
        let prints = if c.is_ascii() {
            !c.is_ascii_control()
        } else {
            c.escape_debug().len() == 1
        };
        if c == '\\' || Some(c) == separator {
            write!(f, "\\{c}")?;
        } else if prints {
            f.write_char(c)?;
        } else {
            write!(f, "\\u{{{:x}}}", u32::from(c))?;
        }
    }
    Ok(())
}
