use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::records::Hex;
use crate::store::{MAX_KEY, MAX_VALUE};

/// The longest line, bytes: a value and a key in which every byte is escaped.
pub(super) const MAX_LINE: usize = 2 * MAX_VALUE + 6 * MAX_KEY + 64;

/// What the last line begins with.
const LAST: &[u8] = b"{\"mac\":";

/// An entry of a store, without a revision: it will have another one.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// The path.
    pub key: String,
    /// What is stored there.
    pub value: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    mac: Hex<32>,
}

/// The line of an entry, with its end.
pub(super) fn encode(key: &str, value: &[u8]) -> Vec<u8> {
    // A control character would become six.
    let text = std::str::from_utf8(value).ok();
    let text = text.filter(|text| !text.contains(|c: char| c.is_ascii_control()));
    let line = Line {
        key: key.to_owned(),
        text: text.map(str::to_owned),
        base64: text.is_none().then(|| STANDARD.encode(value)),
    };
    json_line(&line)
}

/// The entry of a line without its end.
pub(super) fn decode(line: &[u8]) -> Result<Item, &'static str> {
    let line: Line = serde_json::from_slice(line).map_err(|_| "it is no entry")?;
    let value = match (line.text, line.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|_| "it is not base64")?,
        _ => return Err("it has no value, or two"),
    };
    Ok(Item {
        key: line.key,
        value,
    })
}

/// The last line, with its end.
pub(super) fn encode_last(mac: [u8; 32]) -> Vec<u8> {
    json_line(&Last { mac: Hex(mac) })
}

/// The MAC, if this is the last line, with its end. No MAC covers it, so there is one way to write it: whoever changes a letter's case, say, is
/// found out.
pub(super) fn decode_last(line: &[u8]) -> Option<[u8; 32]> {
    if !line.starts_with(LAST) {
        return None;
    }
    let last: Last = serde_json::from_slice(line).ok()?;
    (encode_last(last.mac.0) == line).then_some(last.mac.0)
}

/// Bytes of the last line, with its end.
pub(super) const LAST_LEN: usize = LAST.len() + 2 + 64 + 2;

pub(super) fn json_line(value: &impl Serialize) -> Vec<u8> {
    // Only a map whose keys are no strings fails to become JSON.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_and_fits() {
        let all: Vec<u8> = (0..=255).collect();
        let (quotes, zeros) = (vec![b'"'; MAX_VALUE], vec![0; MAX_VALUE]);
        for value in [
            &b""[..],
            b"{\"a\":1}",
            "Жук".as_bytes(),
            &all,
            &quotes,
            &zeros,
        ] {
            let key = "\"".repeat(MAX_KEY);
            let line = encode(&key, value);
            assert!(line.len() <= MAX_LINE, "{}", line.len());
            assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
            let item = decode(&line).unwrap();
            assert!(item.key == key && item.value == value);
            assert!(decode_last(&line).is_none());
        }
    }

    #[test]
    fn the_last_line_is_told_from_all_others() {
        let last = encode_last([7; 32]);
        assert_eq!(last.len(), LAST_LEN);
        assert_eq!(decode_last(&last), Some([7; 32]));
        assert!(decode(&last).is_err());
    }

    #[test]
    fn a_last_line_that_says_the_same_in_another_way_is_none() {
        let last = encode_last([0xab; 32]);
        assert_eq!(decode_last(&last), Some([0xab; 32]));
        for (at, byte) in [(LAST.len() + 1, b'A'), (last.len() - 1, b' ')] {
            let mut other = last.clone();
            other[at] = byte;
            assert_eq!(decode_last(&other), None, "{at}");
        }
    }
}
