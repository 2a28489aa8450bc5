//! The discharges of a presentation (SPEC section 7). Each is checked at most once, when a caveat first asks for its
//! principal, so that what a stranger attaches costs nothing.

use crate::caveat::CaveatFailure;
use crate::limits::MAX_DISCHARGES;
use crate::payload::DischargePayload;
use crate::token::UnverifiedToken;
use crate::wire::Repeated;

pub(super) struct Discharges<'s> {
    /// As [`Presentation`](super::Presentation) has them.
    presented: [&'s [u8]; MAX_DISCHARGES],
    state: [State<'s>; MAX_DISCHARGES],
}

enum State<'s> {
    Unchecked,
    /// It does not pass: of no use, and no other error.
    Useless,
    Passed {
        payload: DischargePayload<'s>,
        caveats: Repeated<'s>,
        used: bool,
    },
}

impl<'s> Discharges<'s> {
    #[inline]
    pub(super) fn new(presented: [&'s [u8]; MAX_DISCHARGES]) -> Self {
        Self {
            presented,
            state: [const { State::Unchecked }; MAX_DISCHARGES],
        }
    }

    /// Finds one by this principal, for this ticket and this token (SHA-256 of its T_0) or any.
    pub(super) fn find(
        &mut self,
        principal: &str,
        ticket: &[u8],
        binding: &[u8; 32],
        mut check: impl FnMut(&UnverifiedToken<'s>) -> Option<DischargePayload<'s>>,
    ) -> Result<(), CaveatFailure> {
        for (message, state) in self.presented.iter().zip(&mut self.state) {
            let Ok(token) = UnverifiedToken::decode(message) else {
                break; // there are no more: what was read once can be read again
            };
            if token.key_id.principal != principal {
                continue;
            }
            if let State::Unchecked = state {
                *state = check(&token).map_or(State::Useless, |payload| State::Passed {
                    payload,
                    caveats: token.caveats,
                    used: false,
                });
            }
            if let State::Passed { payload, used, .. } = state {
                let bound = payload.bound_to.is_empty() || payload.bound_to == binding;
                if payload.ticket == ticket && bound {
                    *used = true;
                    return Ok(());
                }
            }
        }
        Err(CaveatFailure::NoDischarge)
    }

    /// The caveats of those that a caveat relied on, as they stand on the wire; nothing for the others.
    #[inline]
    pub(super) fn used(&self) -> [&'s [u8]; MAX_DISCHARGES] {
        let mut regions: [&[u8]; MAX_DISCHARGES] = [&[]; MAX_DISCHARGES];
        for (state, region) in self.state.iter().zip(&mut regions) {
            if let State::Passed {
                used: true,
                caveats,
                ..
            } = state
            {
                *region = caveats.region();
            }
        }
        regions
    }
}
