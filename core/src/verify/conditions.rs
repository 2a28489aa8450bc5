//! Step 7: every caveat holds, and the discharges that caveats ask for (SPEC section 7).

use super::code::Code;
use super::demands::Seen;
use super::denied::{Part, PayloadFailure, Reason};
use super::discharges::Discharges;
use super::keys::Keys;
use super::open::malformed;
use super::revocations::Revocations;
use super::single_use::SingleUse;
use super::verifier::{Step, Verifier};
use crate::caveat::{Caveat, CaveatFailure, Clock};
use crate::forward::PRESENTER_KEY;
use crate::key_tree::{SecretTag, Signed};
use crate::limits::{MAX_TICKET, MIN_TICKET};
use crate::payload::DischargePayload;
use crate::request::Given;
use crate::token::UnverifiedToken;

/// What a caveat that facts and clock cannot decide is met with; its index is its place in its list.
type Special<'c> = &'c mut dyn FnMut(&Caveat<'_>, Part, u8) -> Result<(), CaveatFailure>;

impl<K: Keys, R: Revocations, S: SingleUse> Verifier<'_, K, R, S> {
    /// Step 7 for the token, and what this verifier demands beside it. Gives the place of the first single_use caveat.
    pub(super) fn check_caveats_of_token<'s>(
        &self,
        token: &UnverifiedToken<'s>,
        first: &SecretTag,
        given: Given<'_>,
        clock: Clock,
        discharges: &mut Discharges<'s>,
    ) -> Step<Option<(Part, u8)>> {
        let mut once = None;
        let mut binding = None;
        let mut seen = Seen::default();
        let mut is_for_a_presenter = false;
        self.check_caveats(token, given, clock, &mut |caveat, list, index| {
            seen.note(caveat);
            match caveat {
                Caveat::ThirdParty { principal, ticket } => {
                    let binding = binding.get_or_insert_with(|| first.digest());
                    discharges.find(principal, ticket, binding, |discharge| {
                        self.check_discharge(discharge, given, clock).is_ok()
                    })?;
                }
                Caveat::SingleUse { .. } => {
                    once.get_or_insert((list, index));
                }
                Caveat::Context { key, .. } => is_for_a_presenter |= key == PRESENTER_KEY,
                _ => {}
            }
            Ok(())
        })?;
        let lacks = match given.presenter {
            Some(_) => (!is_for_a_presenter).then_some(Reason::NoPresenter),
            None => self.policy.demands.missing(seen).map(Reason::Demanded),
        };
        match lacks {
            Some(reason) => Err((Code::CaveatFailed, reason)),
            None => Ok(once),
        }
    }

    /// Section 7: steps 2 to 7 for a discharge.
    pub(super) fn check_discharge(
        &self,
        discharge: &UnverifiedToken<'_>,
        given: Given<'_>,
        clock: Clock,
    ) -> Step<()> {
        if discharge.key_caveats.len() > 0 {
            return Err((Code::BadTag, Reason::Tag)); // so that no narrowed key of a third party speaks for it
        }
        self.authenticate(discharge, Signed::Discharge)?;
        self.check_lease(discharge, clock)?;
        let payload =
            DischargePayload::decode(discharge.payload).map_err(|error| malformed(error.into()))?;
        for (len, allowed) in [
            (
                payload.ticket.len(),
                (MIN_TICKET..=MAX_TICKET).contains(&payload.ticket.len()),
            ),
            (
                payload.bound_to.len(),
                matches!(payload.bound_to.len(), 0 | 32),
            ),
        ] {
            if !allowed {
                return Err(malformed(PayloadFailure::Length(len)));
            }
        }
        self.check_window(payload.not_before, payload.not_after, discharge, clock)?;
        self.check_caveats(discharge, given, clock, &mut |caveat, _, _| match caveat {
            Caveat::ThirdParty { .. } | Caveat::SingleUse { .. } => Err(CaveatFailure::InDischarge),
            _ => Ok(()),
        })
    }

    /// Step 7: every caveat holds, the key's first.
    pub(super) fn check_caveats(
        &self,
        token: &UnverifiedToken<'_>,
        given: Given<'_>,
        clock: Clock,
        special: Special<'_>,
    ) -> Step<()> {
        let key_caveats = (0u8..)
            .zip(token.key_caveats.iter())
            .map(|(index, caveat)| (Part::Key, index, caveat));
        let caveats = (0u8..)
            .zip(token.caveats.iter())
            .map(|(index, caveat)| (Part::Token, index, caveat));
        for (list, index, encoded) in key_caveats.chain(caveats) {
            let failed = |kind, why| {
                let code = if why == CaveatFailure::Revoked {
                    Code::Revoked
                } else {
                    Code::CaveatFailed
                };
                (
                    code,
                    Reason::Caveat {
                        list,
                        index,
                        kind,
                        why,
                    },
                )
            };
            let caveat = Caveat::parse(encoded)
                .map_err(|error| failed(None, CaveatFailure::Unreadable(error)))?;
            caveat
                .holds(given, clock)
                .and_then(|()| self.check_revocation(token.key_id.principal, &caveat))
                .and_then(|()| special(&caveat, list, index))
                .map_err(|why| failed(Some(caveat.kind()), why))?;
        }
        Ok(())
    }

    pub(super) fn check_revocation(
        &self,
        principal: &str,
        caveat: &Caveat<'_>,
    ) -> Result<(), CaveatFailure> {
        match caveat {
            Caveat::RevocationId { id } if self.revocations.key_revoked(principal, id) => {
                Err(CaveatFailure::Revoked)
            }
            _ => Ok(()),
        }
    }
}
