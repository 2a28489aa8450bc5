//! A token that passed: the only way to what its payload says.

use std::collections::HashSet;
use std::fmt;

use crate::caveat::Caveat;
use crate::key_id::KeyId;
use crate::limits::{ID_LEN, MAX_DISCHARGES};
use crate::token::CAVEATS;
use crate::wire::{Elements, Repeated};

/// So many entries are looked up one by one.
const FEW_SCOPES: usize = 16;

/// A token that passed every step of SPEC section 5, for one request. [`Verifier::verify`](super::Verifier::verify)
/// alone makes one.
#[derive(Clone, Copy)]
pub struct Verified<'s> {
    pub(super) key_id: KeyId<'s>,
    pub(super) token_id: [u8; ID_LEN],
    pub(super) not_before: u64,
    pub(super) not_after: u64,
    pub(super) claims_type: &'s str,
    pub(super) claims: &'s [u8],
    pub(super) key_caveats: Repeated<'s>,
    pub(super) caveats: Repeated<'s>,
    /// The caveats of the discharges that were needed, as they stand on the wire.
    pub(super) discharged: [&'s [u8]; MAX_DISCHARGES],
}

impl<'s> Verified<'s> {
    /// Who the token speaks for.
    pub fn principal(&self) -> &'s str {
        self.key_id.principal
    }

    /// Which issued key it was signed with, or with a narrowing of.
    pub fn key_id(&self) -> KeyId<'s> {
        self.key_id
    }

    /// Names this one token, in logs and for revocation.
    pub fn token_id(&self) -> [u8; ID_LEN] {
        self.token_id
    }

    /// First second (Unix).
    pub fn not_before(&self) -> u64 {
        self.not_before
    }

    /// First second after (Unix).
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// Full name of the message in [`claims`](Self::claims), or empty.
    pub fn claims_type(&self) -> &'s str {
        self.claims_type
    }

    /// What the signer says of themselves. It grants nothing: a holder of any narrowed key writes what they like.
    pub fn claims(&self) -> &'s [u8] {
        self.claims
    }

    /// The caveats that held, the key's first.
    pub fn caveats(&self) -> impl Iterator<Item = Caveat<'s>> + use<'s> {
        self.key_caveats
            .iter()
            .chain(self.caveats.iter())
            .filter_map(|encoded| Caveat::parse(encoded).ok())
    }

    /// The scopes that the caveats leave: the entries of the first `scopes` caveat that are in every other one, those of
    /// the discharges that were needed included. `None` where there is no such caveat, so that nothing limits the scope.
    /// What stands behind may allow only these, whatever the request needed.
    ///
    /// Allocates where the first caveat has more than 16 entries. The lists are the sender's: to compare each entry with
    /// each other one would be work without a useful bound.
    pub fn scopes(&self) -> Option<impl Iterator<Item = &'s str> + use<'s>> {
        let token = *self;
        let mut lists = token.scope_lists();
        let first = lists.next()?;
        let is_long = token.scope_lists().next()?.nth(FEW_SCOPES).is_some();
        let in_others = is_long.then(|| {
            lists
                .map(|list| list.collect::<HashSet<_>>())
                .reduce(|common, list| &common & &list)
        });
        Some(first.filter(move |scope| match &in_others {
            Some(common) => common.as_ref().is_none_or(|all| all.contains(scope)),
            None => (token.scope_lists()).all(|mut list| list.any(|entry| entry == *scope)),
        }))
    }

    fn scope_lists(
        &self,
    ) -> impl Iterator<Item = impl Iterator<Item = &'s str> + use<'s>> + use<'s> {
        let own = self.key_caveats.iter().chain(self.caveats.iter());
        let discharged = self
            .discharged
            .into_iter()
            .flat_map(|region| Elements::of(region, CAVEATS));
        own.chain(discharged)
            .filter_map(|encoded| match Caveat::parse(encoded) {
                Ok(Caveat::Scopes(any_of)) => Some(any_of.into_wire()),
                _ => None,
            })
    }
}

/// Without the claims, which may be private.
impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("key_id", &self.key_id)
            .field("token_id", &self.token_id)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
