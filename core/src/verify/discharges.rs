//! The discharges of a presentation (SPEC section 7). Each is checked at most once, when a caveat first asks for its
//! principal, so that what a stranger attaches costs nothing.

use crate::caveat::CaveatFailure;
use crate::limits::MAX_DISCHARGES;
use crate::payload::DischargePayload;
use crate::token::UnverifiedToken;
use crate::wire::Repeated;

pub(super) struct Discharges<'p, 's> {
    presented: &'p [Option<UnverifiedToken<'s>>; MAX_DISCHARGES],
    state: [State<'s>; MAX_DISCHARGES],
}

enum State<'s> {
    Unchecked,
    /// It does not pass: of no use, and no other error.
    Useless,
    Passed {
        payload: DischargePayload<'s>,
        used: bool,
    },
}

impl<'p, 's> Discharges<'p, 's> {
    pub(super) fn new(presented: &'p [Option<UnverifiedToken<'s>>; MAX_DISCHARGES]) -> Self {
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
        for (token, state) in self.presented.iter().zip(&mut self.state) {
            let Some(token) = token else { break };
            if token.key_id.principal != principal {
                continue;
            }
            if let State::Unchecked = state {
                *state = check(token).map_or(State::Useless, |payload| State::Passed {
                    payload,
                    used: false,
                });
            }
            if let State::Passed { payload, used } = state {
                let bound = payload.bound_to.is_empty() || payload.bound_to == binding;
                if payload.ticket == ticket && bound {
                    *used = true;
                    return Ok(());
                }
            }
        }
        Err(CaveatFailure::NoDischarge)
    }

    /// The caveats of those that a caveat relied on.
    pub(super) fn used(&self) -> [Option<Repeated<'s>>; MAX_DISCHARGES] {
        let mut lists = [None; MAX_DISCHARGES];
        for ((token, state), list) in self.presented.iter().zip(&self.state).zip(&mut lists) {
            if let (Some(token), State::Passed { used: true, .. }) = (token, state) {
                *list = Some(token.caveats);
            }
        }
        lists
    }
}
