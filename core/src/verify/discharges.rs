//! The discharges of a presentation (SPEC section 7). Each is checked at most once, when a caveat first asks for its
//! principal, so that what a stranger attaches costs nothing.

use crate::caveat::CaveatFailure;
use crate::limits::MAX_DISCHARGES;
use crate::payload::DischargePayload;
use crate::token::UnverifiedToken;

pub(super) struct Discharges<'s> {
    /// As [`Presentation`](super::Presentation) has them.
    presented: [&'s [u8]; MAX_DISCHARGES],
    state: [State; MAX_DISCHARGES],
    /// The caveats of those that a caveat relied on, as they stand on the wire; nothing for the others.
    used: [&'s [u8]; MAX_DISCHARGES],
}

#[derive(Clone, Copy)]
enum State {
    Unchecked,
    /// It does not pass: of no use, and no other error.
    Useless,
    Passed,
}

impl<'s> Discharges<'s> {
    #[inline]
    pub(super) fn new(presented: [&'s [u8]; MAX_DISCHARGES]) -> Self {
        Self {
            presented,
            state: [State::Unchecked; MAX_DISCHARGES],
            used: [&[]; MAX_DISCHARGES],
        }
    }

    /// Finds one by this principal, for this ticket and this token (SHA-256 of its T_0) or any. `check` says whether one passes.
    pub(super) fn find(
        &mut self,
        principal: &str,
        ticket: &[u8],
        binding: &[u8; 32],
        check: impl Fn(&UnverifiedToken<'s>) -> bool,
    ) -> Result<(), CaveatFailure> {
        let states = self.state.iter_mut().zip(&mut self.used);
        for (message, (state, used)) in self.presented.iter().zip(states) {
            let Ok(token) = UnverifiedToken::decode(message) else {
                break; // there are no more: what was read once can be read again
            };
            if token.key_id.principal != principal {
                continue;
            }
            if let State::Unchecked = state {
                *state = if check(&token) {
                    State::Passed
                } else {
                    State::Useless
                };
            }
            if let (State::Passed, Ok(payload)) = (*state, DischargePayload::decode(token.payload))
            {
                let bound = payload.bound_to.is_empty() || payload.bound_to == binding;
                if payload.ticket == ticket && bound {
                    *used = token.caveats.region();
                    return Ok(());
                }
            }
        }
        Err(CaveatFailure::NoDischarge)
    }

    /// The caveats of those that a caveat relied on, as they stand on the wire; nothing for the others.
    #[inline]
    pub(super) fn used(&self) -> [&'s [u8]; MAX_DISCHARGES] {
        self.used
    }
}
