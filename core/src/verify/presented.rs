//! Step 1: the form of the token and of every discharge.

use std::fmt;

use super::denied::Part;
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

/// A presentation whose form is right.
pub(super) struct Presented<'s> {
    pub(super) token: UnverifiedToken<'s>,
    /// The bytes of each discharge, empty behind the last one. Few presentations have any, so they are read again when a caveat asks for one.
    pub(super) discharges: [&'s [u8]; MAX_DISCHARGES],
}

impl<'s> Presented<'s> {
    #[inline]
    pub(super) fn read(
        presentation: &str,
        scratch: &'s mut Scratch,
    ) -> Result<Self, (Part, FormError)> {
        let mut parts = parts(presentation);
        let text = parts.next().unwrap_or_default();
        let token = |error| (Part::Token, error);
        let (message, mut rest) = decode(TOKEN, text, scratch.buffer()).map_err(token)?;
        let mut presented = Self {
            token: UnverifiedToken::decode(message).map_err(token)?,
            discharges: [&[]; MAX_DISCHARGES],
        };
        for (index, slot) in (0..).zip(&mut presented.discharges) {
            let Some(text) = parts.next() else { break };
            let discharge = |error| (Part::Discharge(index), error);
            (*slot, rest) = decode(DISCHARGE, text, rest).map_err(discharge)?;
            UnverifiedToken::decode(slot).map_err(discharge)?;
        }
        if parts.next().is_some() {
            return Err((Part::Presentation, FormError::TooManyDischarges));
        }
        Ok(presented)
    }
}
