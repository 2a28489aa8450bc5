//! The encoding and the key chain once more, without any check, straight from SPEC sections 2 and 3.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 127 {
        out.push((value % 128) as u8 + 128);
        value /= 128;
    }
    out.push(value as u8);
}

/// A varint field, written even if 0.
pub fn int(field: u8, value: u64) -> Vec<u8> {
    let mut out = vec![field * 8];
    varint(value, &mut out);
    out
}

/// A length-delimited field, written even if empty.
pub fn len(field: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![field * 8 + 2];
    varint(value.len() as u64, &mut out);
    out.extend(value);
    out
}

/// One field of a message as it stands there: number, wire type, and all its bytes.
pub type Field = (u8, u8, Vec<u8>);

/// Splits a message that is well-formed, canonical or not.
pub fn fields(message: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let (start, tag) = (at, message[at]);
        at += 1;
        let mut value = 0u64;
        let mut shift = 0;
        loop {
            value |= u64::from(message[at] & 127) << shift;
            shift += 7;
            at += 1;
            if message[at - 1] < 128 {
                break;
            }
        }
        if tag % 8 == 2 {
            at += usize::try_from(value).unwrap();
        }
        fields.push((tag / 8, tag % 8, message[start..at].to_vec()));
    }
    fields
}

pub fn join(fields: &[Field]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(_, _, bytes)| bytes.clone())
        .collect()
}

/// What is behind the tag and the length.
pub fn content(field: &Field) -> Vec<u8> {
    let digits = field.2[1..].iter().position(|b| *b < 128).unwrap() + 1;
    field.2[1 + digits..].to_vec()
}

pub fn hmac(key: &[u8], label: &str, message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

pub fn text(prefix: &str, message: &[u8]) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(message))
}

pub fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(text.split_once('_').unwrap().1)
        .unwrap()
}

/// A token or discharge (by label and prefix) of anything at all, rightly signed with the key U.
pub fn signed(
    (prefix, label): (&str, &str),
    key_id: &[u8],
    user_key: &[u8; 32],
    key_caveats: &[Vec<u8>],
    payload: &[u8],
    caveats: &[Vec<u8>],
) -> String {
    let mut message = len(1, key_id);
    let mut tag = *user_key;
    for caveat in key_caveats {
        tag = hmac(&tag, "cat1.att", caveat);
        message.extend(len(2, caveat));
    }
    tag = hmac(&tag, label, payload);
    if !payload.is_empty() {
        message.extend(len(3, payload));
    }
    for caveat in caveats {
        tag = hmac(&tag, "cat1.att", caveat);
        message.extend(len(4, caveat));
    }
    message.extend(len(5, &tag));
    text(prefix, &message)
}

pub const TOKEN: (&str, &str) = ("cat1_", "cat1.tok");
pub const DISCHARGE: (&str, &str) = ("catd1_", "cat1.dis");
