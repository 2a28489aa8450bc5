//! The outer pass: a SignedToken as it comes in, and what its holder can do without any key: narrow it.

use std::slice;

use zeroize::Zeroize;

use crate::caveat::{Caveat, CaveatError, CaveatKind};
use crate::form::FormError;
use crate::key_id::KeyId;
use crate::key_tree::PublicTag;
use crate::limits::{KEY_LEN, MAX_CAVEAT, MAX_CAVEATS, MAX_MESSAGE};
use crate::text::{Base64, DISCHARGE, TOKEN, decode, encoded_len, make_room};
use crate::wire::{Reader, Repeated, Sink, WireError, element_len, put_bytes, put_header};

/// Field numbers of SignedToken (`CAVEATS` of a key: of UserKey as well).
pub(crate) const KEY_CAVEATS: u8 = 2;
pub(crate) const PAYLOAD: u8 = 3;
pub(crate) const CAVEATS: u8 = 4;
const TAG: u8 = 5;

/// A SignedToken whose form is right and about which nothing else is known: its payload stays closed.
pub struct UnverifiedToken<'a> {
    pub(crate) key_id: KeyId<'a>,
    pub(crate) key_caveats: Repeated<'a>,
    pub(crate) payload: &'a [u8],
    pub(crate) caveats: Repeated<'a>,
    pub(crate) tag: &'a [u8; KEY_LEN],
}

impl<'a> UnverifiedToken<'a> {
    /// SPEC section 5, step 1 for the bytes of a token or a discharge.
    #[inline(always)]
    pub(crate) fn decode(message: &'a [u8]) -> Result<Self, FormError> {
        let mut reader = Reader::new(message);
        let key_id = reader.message(1)?.ok_or(WireError::Missing)?;
        let key_caveats = reader.repeated(KEY_CAVEATS)?;
        let payload = reader.bytes(PAYLOAD)?;
        let caveats = reader.repeated(CAVEATS)?;
        let tag = reader.bytes(TAG)?;
        reader.finish()?;
        check_caveats(key_caveats)?;
        check_caveats(caveats)?;
        let tag: &[u8; KEY_LEN] = tag.try_into().map_err(|_| FormError::Secret(tag.len()))?;
        let key_id = KeyId::decode(key_id)?;
        Ok(Self {
            key_id,
            key_caveats,
            payload,
            caveats,
            tag,
        })
    }
}

/// How many, and how long each.
#[inline]
pub(crate) fn check_caveats(caveats: Repeated<'_>) -> Result<(), FormError> {
    if caveats.len() > MAX_CAVEATS {
        return Err(FormError::TooManyCaveats);
    }
    // All of them together are longer than any one.
    if caveats.region().len() > MAX_CAVEAT && caveats.iter().any(|caveat| caveat.len() > MAX_CAVEAT)
    {
        return Err(FormError::CaveatTooLong);
    }
    Ok(())
}

/// Why a token cannot be narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttenuateError {
    /// The token is malformed.
    #[error("the token is malformed: {0}")]
    Form(#[from] FormError),
    /// The caveat can never hold.
    #[error("the caveat can never hold: {0}")]
    Caveat(#[from] CaveatError),
    /// This kind fails inside a discharge.
    #[error("a caveat `{0}` fails inside a discharge")]
    InDischarge(CaveatKind),
    /// It would have more than 16 caveats, or more than 8,192 bytes.
    #[error("with this caveat no verifier would take it: {0}")]
    Full(FormError),
}

/// Narrows a token (or a discharge) that one holds, with no key: writes the narrower text to `out`, in place of what
/// is there. It does not check the tag; a token that was no good stays so.
///
/// # Errors
/// The token is malformed, or no verifier would accept the result. `out` is empty then.
pub fn attenuate_token(
    text: &str,
    caveat: &Caveat<'_>,
    out: &mut String,
) -> Result<(), AttenuateError> {
    out.clear();
    let prefix = if text.starts_with(DISCHARGE) {
        DISCHARGE
    } else {
        TOKEN
    };
    // No text is shorter than what it decodes to, and most are far from the longest.
    if text.len() <= SHORT {
        attenuate_in(&mut [0; SHORT], prefix, text, caveat, out)
    } else {
        attenuate_in(&mut [0; MAX_MESSAGE], prefix, text, caveat, out)
    }
}

const SHORT: usize = 512;

fn attenuate_in<const ROOM: usize>(
    buffer: &mut [u8; ROOM],
    prefix: &'static str,
    text: &str,
    caveat: &Caveat<'_>,
    out: &mut String,
) -> Result<(), AttenuateError> {
    let result = decode(prefix, text, buffer)
        .map_err(AttenuateError::Form)
        .and_then(|(message, _)| attenuate_message(message, prefix, text, caveat, out));
    let used = text.len().min(buffer.len()); // more than what was decoded
    buffer[..used].zeroize(); // the wider token's tag
    result
}

fn attenuate_message(
    message: &[u8],
    prefix: &str,
    text: &str,
    caveat: &Caveat<'_>,
    out: &mut String,
) -> Result<(), AttenuateError> {
    let token = UnverifiedToken::decode(message)?;
    caveat.check()?;
    if prefix == DISCHARGE {
        allowed_in_discharge(caveat).map_err(AttenuateError::InDischarge)?;
    }
    if token.caveats.len() == MAX_CAVEATS {
        return Err(AttenuateError::Full(FormError::TooManyCaveats));
    }
    let tag = PublicTag::from_wire(token.tag)
        .attenuate_of(|mac| caveat.put(mac))
        .publish();
    let len = message.len() + element_len(caveat.encoded_len());
    if len > MAX_MESSAGE {
        return Err(AttenuateError::Full(FormError::TooLong));
    }
    // All but the tag, which is last, stays as it is: in the text as well, as far as its digits are the message's alone.
    let kept = message.len() - element_len(KEY_LEN);
    let digits = prefix.len() + kept / 3 * 4;
    make_room(out, encoded_len(prefix, len));
    out.push_str(&text[..digits]);
    let mut narrower = Base64::new(out);
    narrower.put(&message[kept / 3 * 3..kept]);
    put_end(&mut narrower, slice::from_ref(caveat), &tag);
    narrower.finish();
    Ok(())
}

/// A third_party or single_use caveat inside a discharge fails (SPEC section 7).
pub(crate) fn allowed_in_discharge(caveat: &Caveat<'_>) -> Result<(), CaveatKind> {
    match caveat.kind() {
        kind @ (CaveatKind::ThirdParty | CaveatKind::SingleUse) => Err(kind),
        _ => Ok(()),
    }
}

/// The end of a SignedToken: caveats that are added, and the tag.
#[inline]
pub(crate) fn put_end(out: &mut impl Sink, added: &[Caveat<'_>], tag: &PublicTag) {
    for caveat in added {
        put_caveat(out, CAVEATS, caveat);
    }
    put_bytes(out, TAG, tag.bytes());
}

/// A caveat as an element of a list.
pub(crate) fn put_caveat(out: &mut impl Sink, field: u8, caveat: &Caveat<'_>) {
    put_header(out, field, caveat.encoded_len());
    caveat.put(out);
}
