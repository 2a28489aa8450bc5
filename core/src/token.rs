//! The outer pass: a SignedToken as it comes in, and what its holder can do without any key: narrow it.

use zeroize::Zeroizing;

use crate::caveat::{Caveat, CaveatError, CaveatKind};
use crate::form::FormError;
use crate::key_id::KeyId;
use crate::key_tree::PublicTag;
use crate::limits::{KEY_LEN, MAX_CAVEAT, MAX_CAVEATS, MAX_MESSAGE};
use crate::text::{Base64, DISCHARGE, TOKEN, decode, encoded_len};
use crate::wire::{Count, Reader, Repeated, Sink, WireError, put_bytes, put_header};

/// Field numbers of SignedToken (`CAVEATS` of a key: of UserKey as well).
pub(crate) const KEY_CAVEATS: u8 = 2;
const PAYLOAD: u8 = 3;
const CAVEATS: u8 = 4;
const TAG: u8 = 5;

/// A SignedToken whose form is right and about which nothing else is known: its payload stays closed.
pub struct UnverifiedToken<'a> {
    pub(crate) key_id: KeyId<'a>,
    pub(crate) key_caveats: Repeated<'a>,
    pub(crate) payload: &'a [u8],
    pub(crate) caveats: Repeated<'a>,
    pub(crate) tag: PublicTag,
}

impl<'a> UnverifiedToken<'a> {
    /// SPEC section 5, step 1 for the bytes of a token or a discharge.
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
            tag: PublicTag::from_wire(tag),
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
    let mut buffer = Zeroizing::new([0; MAX_MESSAGE]); // the wider token's tag
    let (message, _) = decode(prefix, text, buffer.as_mut_slice())?;
    let token = UnverifiedToken::decode(message)?;
    caveat.check()?;
    if prefix == DISCHARGE {
        allowed_in_discharge(caveat).map_err(AttenuateError::InDischarge)?;
    }
    if token.caveats.len() == MAX_CAVEATS {
        return Err(AttenuateError::Full(FormError::TooManyCaveats));
    }
    let tag = token.tag.attenuate_of(|mac| caveat.put(mac)).publish();
    let signed = Signed {
        key_id: &token.key_id,
        key_caveats: token.key_caveats.region(),
        payload: |out: &mut dyn Sink| out.put(token.payload),
        kept: token.caveats.region(),
        added: std::slice::from_ref(caveat),
        tag: &tag,
    };
    signed.write(prefix, out).map_err(AttenuateError::Full)
}

/// A third_party or single_use caveat inside a discharge fails (SPEC section 7).
pub(crate) fn allowed_in_discharge(caveat: &Caveat<'_>) -> Result<(), CaveatKind> {
    match caveat.kind() {
        kind @ (CaveatKind::ThirdParty | CaveatKind::SingleUse) => Err(kind),
        _ => Ok(()),
    }
}

/// The pieces of a SignedToken, to be written in order.
pub(crate) struct Signed<'a, 'c, P> {
    pub(crate) key_id: &'a KeyId<'a>,
    /// The wire form of the key's caveats.
    pub(crate) key_caveats: &'a [u8],
    pub(crate) payload: P,
    /// The wire form of the caveats that were there.
    pub(crate) kept: &'a [u8],
    pub(crate) added: &'a [Caveat<'c>],
    pub(crate) tag: &'a PublicTag,
}

impl<P: Fn(&mut dyn Sink)> Signed<'_, '_, P> {
    /// Appends the text to `out`, if the whole is not too long.
    pub(crate) fn write(&self, prefix: &str, out: &mut String) -> Result<(), FormError> {
        let len = Count::of(|out| self.put(out));
        if len > MAX_MESSAGE {
            return Err(FormError::TooLong);
        }
        out.reserve(encoded_len(prefix, len));
        let mut text = Base64::new(prefix, out);
        self.put(&mut text);
        text.finish();
        Ok(())
    }

    fn put(&self, out: &mut impl Sink) {
        self.key_id.put(out);
        out.put(self.key_caveats);
        let len = Count::of(|out| (self.payload)(out));
        if len > 0 {
            put_header(out, PAYLOAD, len);
            (self.payload)(out);
        }
        out.put(self.kept);
        for caveat in self.added {
            put_caveat(out, CAVEATS, caveat);
        }
        put_bytes(out, TAG, self.tag.bytes());
    }
}

/// A caveat as an element of a list.
pub(crate) fn put_caveat(out: &mut impl Sink, field: u8, caveat: &Caveat<'_>) {
    put_header(out, field, caveat.encoded_len());
    caveat.put(out);
}
