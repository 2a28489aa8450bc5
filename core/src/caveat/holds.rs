//! Whether a caveat holds for a request (SPEC section 5, step 7). The kinds that need more than facts and a clock
//! (`third_party`, `single_use`, `revocation_id`) are the verifier's.

use super::addr::Block;
use super::codec::CaveatError;
use super::{AnyOf, Caveat, path};
use crate::forward::PRESENTER_KEY;
use crate::request::{Given, RequestFacts, request_digest};

/// Why a caveat does not hold. For logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaveatFailure {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(CaveatError),
    /// It needs a fact that is not known.
    #[error("it needs a fact that is not known")]
    Unknown,
    /// The request, or the clock, is another than it asks for.
    #[error("the request does not meet it")]
    Unmet,
    /// Its `any_of` has an entry that is no address block, or its prefix does not begin with `/`, or its time window
    /// ends before it begins.
    #[error("it can never hold")]
    Impossible,
    /// The presentation carries no discharge that passes and is for it.
    #[error("no discharge for it")]
    NoDischarge,
    /// This kind cannot stand in a discharge.
    #[error("it cannot stand in a discharge")]
    InDischarge,
    /// Its id is revoked; the code is `revoked`.
    #[error("its id is revoked")]
    Revoked,
}

/// Now and the leeway, compared exactly, as on unbounded integers.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) now: u64,
    pub(crate) leeway: u64,
}

impl Clock {
    /// not_before ≤ now + leeway
    pub(crate) fn has_begun(self, not_before: u64) -> bool {
        u128::from(not_before) <= u128::from(self.now) + u128::from(self.leeway)
    }

    /// not_after > now − leeway
    pub(crate) fn is_not_over(self, not_after: u64) -> bool {
        u128::from(not_after) + u128::from(self.leeway) > u128::from(self.now)
    }
}

impl Caveat<'_> {
    /// `Ok` for the kinds that the verifier looks at itself.
    pub(crate) fn holds(&self, given: Given<'_>, clock: Clock) -> Result<(), CaveatFailure> {
        let facts = given.facts;
        let met = match self {
            Self::TimeWindow {
                not_before,
                not_after,
            } => return window(*not_before, *not_after, clock),
            Self::Scopes(any_of) => any_of.contains(known(facts.scope)?),
            Self::Methods(any_of) => return methods(any_of, facts),
            Self::PathPrefix(prefix) if !prefix.starts_with('/') => {
                return Err(CaveatFailure::Impossible);
            }
            Self::PathPrefix(prefix) => path::holds(prefix, known(facts.path())?),
            Self::SourceAddr(any_of) => return source_addr(any_of, facts),
            Self::ClientCert(sha256) => sha256 == known(facts.client_cert_sha256)?,
            Self::Request { digest, body } => {
                let body = if *body {
                    Some(known(facts.body_sha256.as_ref())?)
                } else {
                    None
                };
                let path = known(facts.path_and_query)?;
                *digest == request_digest(known(facts.method)?, known(facts.authority)?, path, body)
            }
            Self::Context { key, value } if key == PRESENTER_KEY => {
                value == known(given.presenter)?
            }
            Self::Context { key, value } => return context(key, value, facts),
            Self::ThirdParty { .. } | Self::SingleUse { .. } | Self::RevocationId { .. } => true,
        };
        if met {
            Ok(())
        } else {
            Err(CaveatFailure::Unmet)
        }
    }
}

fn known<T>(fact: Option<T>) -> Result<T, CaveatFailure> {
    fact.ok_or(CaveatFailure::Unknown)
}

fn window(not_before: u64, not_after: u64, clock: Clock) -> Result<(), CaveatFailure> {
    if not_after != 0 && not_after < not_before {
        return Err(CaveatFailure::Impossible);
    }
    let open = clock.has_begun(not_before) && (not_after == 0 || clock.is_not_over(not_after));
    if open {
        Ok(())
    } else {
        Err(CaveatFailure::Unmet)
    }
}

/// One entry that equals a known fact is enough; an unknown one matters only where none does.
fn methods(any_of: &AnyOf<'_>, facts: &RequestFacts<'_>) -> Result<(), CaveatFailure> {
    let mut failure = CaveatFailure::Unmet;
    for entry in any_of.iter() {
        match if entry.starts_with('/') {
            facts.path()
        } else {
            facts.method
        } {
            Some(fact) if fact == entry => return Ok(()),
            Some(_) => {}
            None => failure = CaveatFailure::Unknown,
        }
    }
    Err(failure)
}

fn source_addr(any_of: &AnyOf<'_>, facts: &RequestFacts<'_>) -> Result<(), CaveatFailure> {
    let addr = known(facts.source_addr)?;
    let mut met = false;
    for entry in any_of.iter() {
        met |= Block::parse(entry)
            .ok_or(CaveatFailure::Impossible)?
            .contains(addr);
    }
    if met {
        Ok(())
    } else {
        Err(CaveatFailure::Unmet)
    }
}

/// "Exactly this": a key that is there twice with different values is none of them.
fn context(key: &str, value: &str, facts: &RequestFacts<'_>) -> Result<(), CaveatFailure> {
    let mut values = facts
        .context
        .iter()
        .filter(|(known, _)| *known == key)
        .map(|(_, value)| *value)
        .peekable();
    known(values.peek())?;
    if values.all(|known| known == value) {
        Ok(())
    } else {
        Err(CaveatFailure::Unmet)
    }
}
