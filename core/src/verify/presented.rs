//! Step 1: the form of the token and of every discharge.

use std::fmt;

use super::denied::{Denied, Part};
use crate::form::FormError;
use crate::limits::{MAX_DISCHARGES, MAX_MESSAGE};
use crate::text::{DISCHARGE, TOKEN, decode, parts};
use crate::token::UnverifiedToken;

/// Where a presentation is decoded to. It is made once, has room for the longest one, and is used again for the next.
pub struct Scratch(Box<[u8]>);

impl Scratch {
    /// The only allocation on the way of verifying: 40 KiB, of which a token without discharges touches what it needs.
    pub fn new() -> Self {
        Self(vec![0; MAX_MESSAGE * (1 + MAX_DISCHARGES)].into_boxed_slice())
    }

    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch(..)") // the last caller's token is in there
    }
}

/// A presentation whose form is right (step 1), and of which nothing else is known.
pub struct Presentation<'s> {
    pub(super) token: UnverifiedToken<'s>,
    /// The bytes of each discharge, empty behind the last one. Few presentations have any, so they are read again when a caveat asks for one.
    pub(super) discharges: [&'s [u8]; MAX_DISCHARGES],
}

impl<'s> Presentation<'s> {
    /// From encoded messages, for those who have them without their text form: the token's, and those of its discharges.
    ///
    /// # Errors
    /// `malformed`: one of them breaks a rule of form, or there are more than four discharges.
    #[inline]
    pub fn from_messages(token: &'s [u8], discharges: &[&'s [u8]]) -> Result<Self, Denied<'s>> {
        let refused = |part, error| Denied::malformed((part, error));
        if token.len() > MAX_MESSAGE {
            return Err(refused(Part::Token, FormError::TooLong));
        }
        let mut presented = match UnverifiedToken::decode(token) {
            Ok(token) => Self {
                token,
                discharges: [&[]; MAX_DISCHARGES],
            },
            Err(error) => return Err(refused(Part::Token, error)),
        };
        if discharges.len() > MAX_DISCHARGES {
            return Err(refused(Part::Presentation, FormError::TooManyDischarges));
        }
        for (index, (slot, message)) in (0..).zip(presented.discharges.iter_mut().zip(discharges)) {
            let refused = |error| refused(Part::Discharge(index), error);
            if message.len() > MAX_MESSAGE {
                return Err(refused(FormError::TooLong));
            }
            UnverifiedToken::decode(message).map_err(refused)?;
            *slot = message;
        }
        Ok(presented)
    }

    /// From a text. `room` becomes what is left of it.
    #[inline(always)]
    pub(super) fn read(text: &str, room: &mut &'s mut [u8]) -> Result<Self, (Part, FormError)> {
        let mut parts = parts(text);
        let text = parts.next().unwrap_or_default();
        let token = |error| (Part::Token, error);
        let (message, mut rest) = decode(TOKEN, text, std::mem::take(room)).map_err(token)?;
        let token = match UnverifiedToken::decode(message) {
            Ok(token) => token,
            Err(error) => return Err(token(error)),
        };
        let mut discharges: [&[u8]; MAX_DISCHARGES] = [&[]; MAX_DISCHARGES];
        for (index, slot) in (0..).zip(&mut discharges) {
            let Some(text) = parts.next() else { break };
            let discharge = |error| (Part::Discharge(index), error);
            (*slot, rest) = decode(DISCHARGE, text, rest).map_err(discharge)?;
            UnverifiedToken::decode(slot).map_err(discharge)?;
        }
        if parts.next().is_some() {
            return Err((Part::Presentation, FormError::TooManyDischarges));
        }
        *room = rest;
        Ok(Self { token, discharges })
    }
}
