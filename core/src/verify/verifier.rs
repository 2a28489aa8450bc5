//! The steps of SPEC section 5, in order.

use super::code::Code;
use super::demands::Demands;
use super::denied::{Denied, PayloadFailure, Reason};
use super::discharges::Discharges;
use super::keys::Keys;
use super::presented::{Presentation, Scratch};
use super::revocations::Revocations;
use super::single_use::SingleUse;
use super::verified::Verified;
use crate::caveat::Clock;
use crate::key_tree::{SecretTag, Signed};
use crate::limits::{DEFAULT_LEEWAY, DEFAULT_MAX_LIFETIME, ID_LEN};
use crate::payload::Payload;
use crate::request::{Given, RequestFacts};
use crate::token::UnverifiedToken;

/// What a verifier is configured to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Difference of clocks that is forgiven, in seconds. Default: 30.
    pub leeway: u64,
    /// Greatest lifetime of a token or discharge, not_after − not_before, in seconds. Default: 3,600.
    pub max_lifetime: u64,
    /// What a token has to be narrowed by. Default: nothing.
    pub demands: Demands,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            leeway: DEFAULT_LEEWAY,
            max_lifetime: DEFAULT_MAX_LIFETIME,
            demands: Demands::default(),
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

/// A step's answer; what it refuses with is a code for the caller and evidence for logs.
pub(super) type Step<T> = Result<T, (Code, Reason)>;

impl<K: Keys, R: Revocations, S: SingleUse> Verifier<'_, K, R, S> {
    /// Verifies a caller's own presentation for a request at `now` (Unix seconds). Nothing is allocated.
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
        self.verify_by(None, presentation, facts, now, scratch)
    }

    /// The same for a presentation that a verified caller, `presenter`, brought along for somebody else (see
    /// [`ForwardHeader`](crate::ForwardHeader)); `None` for the caller's own. A forwarded token has to have a `context` caveat that
    /// names the presenter, or it would be good in anybody's hands; what the policy demands of callers' own tokens it need not have.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and `caveat_failed` where a forwarded token has no such caveat.
    pub fn verify_by<'s>(
        &self,
        presenter: Option<&str>,
        presentation: &str,
        facts: &RequestFacts<'_>,
        now: u64,
        scratch: &'s mut Scratch,
    ) -> Result<Verified<'s>, Denied<'s>> {
        // No `map_err` here and below: it would move what is large, and the hash would wait for that.
        match Presentation::read(presentation, &mut scratch.buffer()) {
            Ok(presented) => self.verify_presentation(presenter, &presented, facts, now),
            Err(error) => Err(Denied::malformed(error)),
        }
    }

    /// The same for a presentation that was read before.
    ///
    /// # Errors
    /// As [`verify_by`](Self::verify_by).
    pub fn verify_presentation<'s>(
        &self,
        presenter: Option<&str>,
        presented: &Presentation<'s>,
        facts: &RequestFacts<'_>,
        now: u64,
    ) -> Result<Verified<'s>, Denied<'s>> {
        let token = &presented.token;
        match self.authenticate(token, Signed::Token) {
            Ok(first) => self.verify_authentic(presented, &first, Given { facts, presenter }, now),
            Err((code, reason)) => Err(Denied {
                code,
                reason,
                key_id: Some(token.key_id),
                token_id: None,
            }),
        }
    }

    /// Steps 5 to 8, for a token whose tag is right and whose T_0 is `first`.
    pub(super) fn verify_authentic<'s>(
        &self,
        presented: &Presentation<'s>,
        first: &SecretTag,
        given: Given<'_>,
        now: u64,
    ) -> Result<Verified<'s>, Denied<'s>> {
        let token = &presented.token;
        let mut token_id = None;
        let mut discharges = Discharges::new(presented.discharges);
        match self.check_authentic(token, first, given, now, &mut token_id, &mut discharges) {
            Ok((payload, token_id)) => Ok(Verified {
                key_id: token.key_id,
                token_id,
                not_before: payload.not_before,
                not_after: payload.not_after,
                claims_type: payload.claims_type,
                claims: payload.claims,
                key_caveats: token.key_caveats,
                caveats: token.caveats,
                discharged: discharges.used(),
            }),
            Err((code, reason)) => Err(Denied {
                code,
                reason,
                key_id: Some(token.key_id),
                token_id,
            }),
        }
    }

    #[inline(always)] // what it gives is not moved about then
    fn check_authentic<'s>(
        &self,
        token: &UnverifiedToken<'s>,
        first: &SecretTag,
        given: Given<'_>,
        now: u64,
        known_id: &mut Option<[u8; ID_LEN]>,
        discharges: &mut Discharges<'s>,
    ) -> Step<(Payload<'s>, [u8; ID_LEN])> {
        let clock = Clock {
            now,
            leeway: self.policy.leeway,
        };
        self.check_lease(token, clock)?;
        let (payload, token_id) = self.open_payload(token, clock, known_id)?;
        if self
            .revocations
            .token_revoked(token.key_id.principal, &token_id)
        {
            return Err((Code::Revoked, Reason::Payload(PayloadFailure::Revoked)));
        }
        let once = self.check_caveats_of_token(token, first, given, clock, discharges)?;
        if let Some(once) = once {
            self.use_once(token, first, once, &payload, clock)?;
        }
        Ok((payload, token_id))
    }
}
