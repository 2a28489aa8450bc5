//! What a service demands of its callers' tokens, beyond what the signers narrowed them by.

use std::fmt;

use crate::caveat::Caveat;

/// What a token has to be narrowed by, or it is refused with `caveat_failed`. A caveat of the key counts as one of the token; one of
/// a discharge does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// A `request` caveat: it is good for one method, authority, path and query.
    pub request: bool,
    /// A `request` caveat that covers the body as well.
    pub body: bool,
    /// A `single_use` caveat.
    pub single_use: bool,
}

/// One demand that a token does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// [`Demands::request`]
    Request,
    /// [`Demands::body`]
    Body,
    /// [`Demands::single_use`]
    SingleUse,
}

/// What there is among the caveats that hold.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen(Demands);

impl Seen {
    pub(super) fn note(&mut self, caveat: &Caveat<'_>) {
        match caveat {
            Caveat::Request { body, .. } => {
                self.0.request = true;
                self.0.body |= body;
            }
            Caveat::SingleUse { .. } => self.0.single_use = true,
            _ => {}
        }
    }
}

impl Demands {
    pub(super) fn missing(self, Seen(seen): Seen) -> Option<Demand> {
        [
            (self.request && !seen.request, Demand::Request),
            (self.body && !seen.body, Demand::Body),
            (self.single_use && !seen.single_use, Demand::SingleUse),
        ]
        .into_iter()
        .find_map(|(is_missing, demand)| is_missing.then_some(demand))
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "tokens that are bound to their request",
            Self::Body => "tokens that are bound to their request's body",
            Self::SingleUse => "tokens for a single use",
        })
    }
}
