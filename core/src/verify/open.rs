//! Steps 2 to 6: whose token it is, and what its payload says.

use std::mem;

use super::code::Code;
use super::denied::{LeaseFailure, PayloadFailure, Reason};
use super::keys::{Found, Keys};
use super::revocations::Revocations;
use super::single_use::SingleUse;
use super::verifier::{Step, Verifier};
use crate::caveat::Clock;
use crate::key_id::KeyId;
use crate::key_tree::{
    Attenuation, LeaseRow, SecretTag, ServiceKey, Signed, SignedPayload, TokenState,
};
use crate::limits::ID_LEN;
use crate::payload::{Payload, claims_type_is_valid};
use crate::token::UnverifiedToken;

/// Where the key chain of a token begins for this verifier.
#[derive(Clone, Copy)]
pub(crate) enum Start<'k> {
    /// With the service's key.
    Service(&'k ServiceKey),
    /// With the user's key, which somebody keeps.
    User(&'k TokenState),
}

impl<K: Keys, R: Revocations, S: SingleUse> Verifier<'_, K, R, S> {
    /// Steps 2 and 3.
    pub(super) fn find_key<'k>(&'k self, id: &KeyId<'_>) -> Step<Start<'k>> {
        if id.service != self.service {
            return Err((Code::WrongService, Reason::Audience));
        }
        match self.keys.find(id.epoch, id.generation) {
            Found::Key(key) => Ok(match self.keys.user_state(id) {
                Some(state) => Start::User(state),
                None => Start::Service(key),
            }),
            Found::UnknownEpoch => Err((Code::UnknownEpoch, Reason::Key)),
            Found::RetiredEpoch => Err((Code::RetiredEpoch, Reason::Key)),
            Found::Revoked => Err((Code::Revoked, Reason::Key)),
        }
    }

    /// Steps 2 to 4. Gives T_0.
    #[inline]
    pub(super) fn authenticate(&self, token: &UnverifiedToken<'_>, of: Signed) -> Step<SecretTag> {
        // Each message is laid out long before it is needed, where it is read.
        let (mut lease, mut signed) = (LeaseRow::blank(), SignedPayload::blank());
        lease.set(&token.key_id);
        signed.set(of, token.payload, &[]);
        let (rebuilt, mut narrowed);
        let mut key = match self.find_key(&token.key_id)? {
            Start::User(state) => state,
            Start::Service(service_key) => {
                rebuilt = service_key.user_state_by(&lease);
                &rebuilt
            }
        };
        let mut caveats = token.key_caveats.iter();
        if let Some(caveat) = caveats.next() {
            narrowed = key.attenuate(caveat);
            for caveat in caveats {
                narrowed = narrowed.attenuate(caveat);
            }
            key = &narrowed;
        }
        let mut caveats = token.caveats.iter();
        let (mut row, mut next) = (&mut Attenuation::blank(), &mut Attenuation::blank());
        let mut is_more = row.set_next(&mut caveats);
        let first = key.sign(&signed);
        let mut last: Option<SecretTag> = None;
        while is_more {
            is_more = next.set_next(&mut caveats);
            last = Some(last.as_ref().unwrap_or(&first).attenuate_by(row));
            mem::swap(&mut row, &mut next);
        }
        if last.as_ref().unwrap_or(&first).matches(token.tag) {
            Ok(first)
        } else {
            Err((Code::BadTag, Reason::Tag))
        }
    }

    /// Step 5.
    pub(super) fn check_lease(&self, token: &UnverifiedToken<'_>, clock: Clock) -> Step<()> {
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

    /// Step 6, but for revocation. The id becomes known as soon as it can be read.
    pub(super) fn open_payload<'s>(
        &self,
        token: &UnverifiedToken<'s>,
        clock: Clock,
        known_id: &mut Option<[u8; ID_LEN]>,
    ) -> Step<(Payload<'s>, [u8; ID_LEN])> {
        let payload = Payload::decode(token.payload).map_err(|error| malformed(error.into()))?;
        let token_id = payload.token_id.try_into();
        let token_id =
            token_id.map_err(|_| malformed(PayloadFailure::Length(payload.token_id.len())))?;
        *known_id = Some(token_id);
        if !claims_type_is_valid(payload.claims_type) {
            return Err(malformed(PayloadFailure::ClaimsType));
        }
        self.check_window(payload.not_before, payload.not_after, token, clock)?;
        Ok((payload, token_id))
    }

    pub(super) fn check_window(
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
}

pub(super) fn malformed(failure: PayloadFailure) -> (Code, Reason) {
    (Code::Malformed, Reason::Payload(failure))
}
