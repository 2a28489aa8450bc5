//! The steps of SPEC section 5, in order.

use super::code::Code;
use super::denied::{Denied, LeaseFailure, Part, PayloadFailure, Reason};
use super::discharges::Discharges;
use super::keys::{Found, Keys};
use super::presented::{Presented, Scratch};
use super::revocations::Revocations;
use super::single_use::{MemorySince, SingleUse, Use, UseRefused};
use super::verified::Verified;
use crate::caveat::{Caveat, CaveatFailure, Clock};
use crate::key_tree::{SecretTag, TokenKey};
use crate::limits::{DEFAULT_LEEWAY, DEFAULT_MAX_LIFETIME, ID_LEN, MAX_TICKET, MIN_TICKET};
use crate::payload::{DischargePayload, Payload, claims_type_is_valid};
use crate::request::RequestFacts;
use crate::token::UnverifiedToken;

/// What a verifier is configured to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Difference of clocks that is forgiven, in seconds. Default: 30.
    pub leeway: u64,
    /// Greatest lifetime of a token or discharge, not_after − not_before, in seconds. Default: 3,600.
    pub max_lifetime: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            leeway: DEFAULT_LEEWAY,
            max_lifetime: DEFAULT_MAX_LIFETIME,
        }
    }
}

/// Verifies presentations for one service.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a, K, R, S> {
    /// This verifier's own name.
    pub service: &'a str,
    /// The service keys that it holds.
    pub keys: K,
    /// What is revoked.
    pub revocations: R,
    /// Which single-use tokens were used.
    pub single_use: S,
    /// What it is configured to accept.
    pub policy: Policy,
}

type Step<T> = Result<T, (Code, Reason)>;

/// What a caveat that facts and clock cannot decide is met with; its index is its place in its list.
type Special<'c> = &'c mut dyn FnMut(&Caveat<'_>, Part, u8) -> Result<(), CaveatFailure>;

impl<K: Keys, R: Revocations, S: SingleUse> Verifier<'_, K, R, S> {
    /// Verifies a presentation for a request at `now` (Unix seconds). Nothing is allocated.
    ///
    /// # Errors
    /// The first step of SPEC section 5 that fails.
    pub fn verify<'s>(
        &self,
        presentation: &str,
        facts: &RequestFacts<'_>,
        now: u64,
        scratch: &'s mut Scratch,
    ) -> Result<Verified<'s>, Denied<'s>> {
        let presented = Presented::read(presentation, scratch).map_err(|(part, error)| Denied {
            code: Code::Malformed,
            reason: Reason::Form(part, error),
            key_id: None,
            token_id: None,
        })?;
        let mut token_id = None;
        self.verify_presented(&presented, facts, now, &mut token_id)
            .map_err(|(code, reason)| Denied {
                code,
                reason,
                key_id: Some(presented.token.key_id),
                token_id,
            })
    }

    fn verify_presented<'s>(
        &self,
        presented: &Presented<'s>,
        facts: &RequestFacts<'_>,
        now: u64,
        known_id: &mut Option<[u8; ID_LEN]>,
    ) -> Step<Verified<'s>> {
        let clock = Clock {
            now,
            leeway: self.policy.leeway,
        };
        let token = &presented.token;
        let first = self.authenticate(token, TokenKey::token)?;
        self.check_lease(token, clock)?;
        let (payload, token_id) = self.open_payload(token, clock)?;
        *known_id = Some(token_id);
        if self
            .revocations
            .token_revoked(token.key_id.principal, &token_id)
        {
            return Err((Code::Revoked, Reason::Payload(PayloadFailure::Revoked)));
        }
        let mut discharges = Discharges::new(&presented.discharges);
        let once = self.check_caveats_of_token(token, &first, facts, clock, &mut discharges)?;
        if let Some(once) = once {
            self.use_once(token, &first, once, &payload, clock)?;
        }
        Ok(Verified {
            key_id: token.key_id,
            token_id,
            not_before: payload.not_before,
            not_after: payload.not_after,
            claims_type: payload.claims_type,
            claims: payload.claims,
            key_caveats: token.key_caveats,
            caveats: token.caveats,
            discharged: discharges.used(),
        })
    }

    /// Steps 2 to 4. Gives T_0. `sign` is the row of the key chain for this kind of message.
    fn authenticate(
        &self,
        token: &UnverifiedToken<'_>,
        sign: fn(&TokenKey, &[u8]) -> SecretTag,
    ) -> Step<SecretTag> {
        if token.key_id.service != self.service {
            return Err((Code::WrongService, Reason::Audience));
        }
        let service_key = match self.keys.find(token.key_id.epoch, token.key_id.generation) {
            Found::Key(key) => key,
            Found::UnknownEpoch => return Err((Code::UnknownEpoch, Reason::Key)),
            Found::RetiredEpoch => return Err((Code::RetiredEpoch, Reason::Key)),
            Found::Revoked => return Err((Code::Revoked, Reason::Key)),
        };
        let mut key = service_key.user_key(&token.key_id);
        for caveat in token.key_caveats.iter() {
            key = key.attenuate(caveat);
        }
        let first = sign(&key, token.payload);
        let last = token
            .caveats
            .iter()
            .fold(None, |tag: Option<SecretTag>, caveat| {
                Some(tag.as_ref().unwrap_or(&first).attenuate(caveat))
            });
        if last.as_ref().unwrap_or(&first).matches(&token.tag) {
            Ok(first)
        } else {
            Err((Code::BadTag, Reason::Tag))
        }
    }

    /// Step 5.
    fn check_lease(&self, token: &UnverifiedToken<'_>, clock: Clock) -> Step<()> {
        let id = &token.key_id;
        if !clock.is_not_over(id.expires_at) {
            return Err((Code::KeyExpired, Reason::Lease(LeaseFailure::Over)));
        }
        let least = self.revocations.least_version(id.principal);
        if id.version < least {
            return Err((
                Code::Revoked,
                Reason::Lease(LeaseFailure::Version { least }),
            ));
        }
        if self.revocations.lease_revoked(id.principal, &id.lease_id) {
            return Err((Code::Revoked, Reason::Lease(LeaseFailure::Revoked)));
        }
        Ok(())
    }

    /// Step 6, but for revocation.
    fn open_payload<'s>(
        &self,
        token: &UnverifiedToken<'s>,
        clock: Clock,
    ) -> Step<(Payload<'s>, [u8; ID_LEN])> {
        let payload = Payload::decode(token.payload).map_err(|error| malformed(error.into()))?;
        let token_id = payload.token_id.try_into();
        let token_id =
            token_id.map_err(|_| malformed(PayloadFailure::Length(payload.token_id.len())))?;
        if !claims_type_is_valid(payload.claims_type) {
            return Err(malformed(PayloadFailure::ClaimsType));
        }
        self.check_window(payload.not_before, payload.not_after, token, clock)?;
        Ok((payload, token_id))
    }

    fn check_window(
        &self,
        not_before: u64,
        not_after: u64,
        token: &UnverifiedToken<'_>,
        clock: Clock,
    ) -> Step<()> {
        let refused = |code, failure| Err((code, Reason::Payload(failure)));
        let Some(lifetime) = not_after.checked_sub(not_before) else {
            return Err(malformed(PayloadFailure::Order));
        };
        if not_after > token.key_id.expires_at {
            return Err(malformed(PayloadFailure::OutlivesKey));
        }
        if !clock.has_begun(not_before) {
            return refused(Code::NotYetValid, PayloadFailure::NotYetValid);
        }
        if !clock.is_not_over(not_after) {
            return refused(Code::Expired, PayloadFailure::Over);
        }
        if lifetime > self.policy.max_lifetime {
            return refused(Code::LifetimeTooLong, PayloadFailure::LifetimeTooLong);
        }
        Ok(())
    }

    /// Step 7 for the token. Gives the place of the first single_use caveat.
    fn check_caveats_of_token<'s>(
        &self,
        token: &UnverifiedToken<'s>,
        first: &SecretTag,
        facts: &RequestFacts<'_>,
        clock: Clock,
        discharges: &mut Discharges<'_, 's>,
    ) -> Step<Option<(Part, u8)>> {
        let mut once = None;
        let mut binding = None;
        self.check_caveats(token, facts, clock, &mut |caveat, list, index| {
            match caveat {
                Caveat::ThirdParty { principal, ticket } => {
                    let binding = binding.get_or_insert_with(|| first.digest());
                    discharges.find(principal, ticket, binding, |discharge| {
                        self.check_discharge(discharge, facts, clock).ok()
                    })?;
                }
                Caveat::SingleUse { .. } => {
                    once.get_or_insert((list, index));
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(once)
    }

    /// Section 7: steps 2 to 7 for a discharge.
    fn check_discharge<'s>(
        &self,
        discharge: &UnverifiedToken<'s>,
        facts: &RequestFacts<'_>,
        clock: Clock,
    ) -> Step<DischargePayload<'s>> {
        if discharge.key_caveats.len() > 0 {
            return Err((Code::BadTag, Reason::Tag)); // so that no narrowed key of a third party speaks for it
        }
        self.authenticate(discharge, TokenKey::discharge)?;
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
        self.check_caveats(discharge, facts, clock, &mut |caveat, _, _| match caveat {
            Caveat::ThirdParty { .. } | Caveat::SingleUse { .. } => Err(CaveatFailure::InDischarge),
            _ => Ok(()),
        })?;
        Ok(payload)
    }

    /// Step 7: every caveat holds, the key's first.
    fn check_caveats(
        &self,
        token: &UnverifiedToken<'_>,
        facts: &RequestFacts<'_>,
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
                .holds(facts, clock)
                .and_then(|()| self.check_revocation(token.key_id.principal, &caveat))
                .and_then(|()| special(&caveat, list, index))
                .map_err(|why| failed(Some(caveat.kind()), why))?;
        }
        Ok(())
    }

    fn check_revocation(&self, principal: &str, caveat: &Caveat<'_>) -> Result<(), CaveatFailure> {
        match caveat {
            Caveat::RevocationId { id } if self.revocations.key_revoked(principal, id) => {
                Err(CaveatFailure::Revoked)
            }
            _ => Ok(()),
        }
    }

    /// Step 8. What is remembered is T_0 where the key has a single_use caveat, otherwise the T right after the token's
    /// first one: more caveats do not make a used token new, and nobody can use up another's.
    fn use_once(
        &self,
        token: &UnverifiedToken<'_>,
        first: &SecretTag,
        (list, index): (Part, u8),
        payload: &Payload<'_>,
        clock: Clock,
    ) -> Step<()> {
        if let MemorySince::Restart(at) = self.single_use.since()
            && (Clock { now: at, ..clock }).has_begun(payload.not_before)
        {
            return Err((Code::Replayed, Reason::Restarted));
        }
        let token_mark = first.digest();
        let mark = if list == Part::Key {
            token_mark
        } else {
            let marked = token.caveats.iter().take(usize::from(index) + 1).fold(
                None,
                |tag: Option<SecretTag>, caveat| {
                    Some(tag.as_ref().unwrap_or(first).attenuate(caveat))
                },
            );
            marked.as_ref().unwrap_or(first).digest()
        };
        // The last second that step 6 lets pass; it did so just now, so the sum is not 0.
        let over = u128::from(payload.not_after) + u128::from(clock.leeway);
        let once = Use {
            mark,
            token: token_mark,
            lease_id: token.key_id.lease_id,
            principal: token.key_id.principal,
            now: clock.now,
            remember_through: u64::try_from(over - 1).unwrap_or(u64::MAX),
        };
        self.single_use
            .use_once(&once)
            .map_err(|refused| match refused {
                UseRefused::Replayed => (Code::Replayed, Reason::Once),
                UseRefused::Full => (Code::ReplayFull, Reason::Once),
            })
    }
}

fn malformed(failure: PayloadFailure) -> (Code, Reason) {
    (Code::Malformed, Reason::Payload(failure))
}
