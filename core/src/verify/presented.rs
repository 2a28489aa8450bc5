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
    pub(super) discharges: [Option<UnverifiedToken<'s>>; MAX_DISCHARGES],
}

impl<'s> Presented<'s> {
    pub(super) fn read(
        presentation: &str,
        scratch: &'s mut Scratch,
    ) -> Result<Self, (Part, FormError)> {
        let mut parts = parts(presentation);
        let mut rest = scratch.buffer();
        let mut next = |prefix, text| {
            let (message, behind) = decode(prefix, text, std::mem::take(&mut rest))?;
            rest = behind;
            UnverifiedToken::decode(message)
        };
        let token =
            next(TOKEN, parts.next().unwrap_or_default()).map_err(|error| (Part::Token, error))?;
        let mut discharges = [const { None }; MAX_DISCHARGES];
        for (index, slot) in (0..).zip(&mut discharges) {
            let Some(text) = parts.next() else { break };
            *slot = Some(next(DISCHARGE, text).map_err(|error| (Part::Discharge(index), error))?);
        }
        if parts.next().is_some() {
            return Err((Part::Presentation, FormError::TooManyDischarges));
        }
        Ok(Self { token, discharges })
    }
}
