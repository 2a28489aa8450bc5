//! Reading a text without verifying it, for people who want to know what they hold.
//!
//! Nothing here says that anything is true: whoever writes a token writes what they like. Decisions rest on
//! [`Verifier::verify`](crate::Verifier::verify) alone, and the types of this module lead to none of its answers.

use crate::caveat::{Caveat, CaveatError};
use crate::form::FormError;
use crate::key_id::KeyId;
use crate::payload::{DischargePayload, Payload};
use crate::text::{self, DISCHARGE, KEY, TOKEN, decode};
use crate::token::UnverifiedToken;
use crate::user_key::UserKey;
use crate::verify::Scratch;
use crate::wire::WireError;

/// What a text is, unverified.
pub enum Inspected<'s> {
    /// `cat1_…`: a token.
    Token(UnverifiedToken<'s>),
    /// `catd1_…`: a discharge.
    Discharge(UnverifiedToken<'s>),
    /// `catkey1_…`: a user key, secret.
    Key(Box<UserKey>),
}

/// What a token's payload claims, unverified. Times are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnverifiedPayload<'s> {
    /// First second.
    pub not_before: u64,
    /// First second after.
    pub not_after: u64,
    /// 16 bytes in a token that can pass.
    pub token_id: &'s [u8],
    /// Full name of the message in `claims`, or empty.
    pub claims_type: &'s str,
    /// The claims.
    pub claims: &'s [u8],
}

/// What a discharge's payload claims, unverified. Times are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnverifiedDischarge<'s> {
    /// First second.
    pub not_before: u64,
    /// First second after.
    pub not_after: u64,
    /// The ticket that it discharges.
    pub ticket: &'s [u8],
    /// SHA-256 of the token's T_0, or empty.
    pub bound_to: &'s [u8],
}

/// The parts of a presentation: the token, then its discharges.
pub fn parts(presentation: &str) -> impl Iterator<Item = &str> {
    text::parts(presentation)
}

/// Reads one text: a token, a discharge or a user key.
///
/// # Errors
/// It breaks a rule of form (SPEC section 5, step 1).
pub fn parse<'s>(text: &str, scratch: &'s mut Scratch) -> Result<Inspected<'s>, FormError> {
    let token = |prefix, scratch: &'s mut Scratch| {
        UnverifiedToken::decode(decode(prefix, text, scratch.buffer())?.0)
    };
    if text.starts_with(KEY) {
        Ok(Inspected::Key(Box::new(UserKey::parse_text(text)?)))
    } else if text.starts_with(DISCHARGE) {
        Ok(Inspected::Discharge(token(DISCHARGE, scratch)?))
    } else {
        Ok(Inspected::Token(token(TOKEN, scratch)?))
    }
}

/// What an unverified token or discharge says of itself.
impl<'s> UnverifiedToken<'s> {
    /// Which key it says it was signed with.
    pub fn unverified_key_id(&self) -> KeyId<'s> {
        self.key_id
    }

    /// The caveats of the key that it says it was signed with. One that cannot be read holds for no request.
    pub fn unverified_key_caveats(
        &self,
    ) -> impl Iterator<Item = Result<Caveat<'s>, CaveatError>> + use<'s> {
        self.key_caveats.iter().map(Caveat::parse)
    }

    /// Its own caveats. One that cannot be read holds for no request.
    pub fn unverified_caveats(
        &self,
    ) -> impl Iterator<Item = Result<Caveat<'s>, CaveatError>> + use<'s> {
        self.caveats.iter().map(Caveat::parse)
    }

    /// What a token's payload claims.
    ///
    /// # Errors
    /// It is not canonical.
    pub fn unverified_payload(&self) -> Result<UnverifiedPayload<'s>, WireError> {
        let Payload {
            not_before,
            not_after,
            token_id,
            claims_type,
            claims,
        } = Payload::decode(self.payload)?;
        Ok(UnverifiedPayload {
            not_before,
            not_after,
            token_id,
            claims_type,
            claims,
        })
    }

    /// What a discharge's payload claims.
    ///
    /// # Errors
    /// It is not canonical.
    pub fn unverified_discharge(&self) -> Result<UnverifiedDischarge<'s>, WireError> {
        let DischargePayload {
            not_before,
            not_after,
            ticket,
            bound_to,
        } = DischargePayload::decode(self.payload)?;
        Ok(UnverifiedDischarge {
            not_before,
            not_after,
            ticket,
            bound_to,
        })
    }
}
