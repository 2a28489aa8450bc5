//! Step 8: a single-use token is accepted once.

use super::code::Code;
use super::denied::{Part, Reason};
use super::keys::Keys;
use super::revocations::Revocations;
use super::single_use::{MemorySince, SingleUse, Use, UseRefused};
use super::verifier::{Step, Verifier};
use crate::caveat::Clock;
use crate::key_tree::SecretTag;
use crate::payload::Payload;
use crate::token::UnverifiedToken;

impl<K: Keys, R: Revocations, S: SingleUse> Verifier<'_, K, R, S> {
    /// Step 8. What is remembered is T_0 where the key has a single_use caveat, otherwise the T right after the token's
    /// first one: more caveats do not make a used token new, and nobody can use up another's.
    pub(super) fn use_once(
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
