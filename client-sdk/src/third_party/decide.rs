//! What a third party has to know by itself: which predicates it understands, and whether one is true.

use std::{future::Future, sync::Arc, time::Duration};

use cattery_core::Caveat;

use crate::{keys::DISCHARGE_TTL, verify::Caller};

/// What somebody wants to be vouched for, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Who registered it: a verified principal.
    pub registered_by: String,
    /// Who may ask for discharges: nobody else gets any.
    pub principal: String,
    /// The service whose tokens need the discharge.
    pub service: String,
    /// What has to be true, in words that the third party understands; at most 1,024 bytes.
    pub predicate: String,
    /// When the ticket ends, Unix seconds.
    pub not_after: u64,
}

/// Why a registration is not accepted: a line for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Declined(pub String);

/// The third party's answer.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It is true now.
    Yes {
        /// The longest that this may be believed, whatever the caller wishes; an hour at most. It is how long a later "no" takes.
        at_most: Duration,
        /// What the request has to pass as well; neither a third-party nor a single-use caveat.
        caveats: Vec<Caveat<'static>>,
    },
    /// It is not. Callers cannot tell this from a ticket that does not exist.
    No,
    /// Nobody can tell at present. Callers are told to come back; the reason is for the log.
    CannotTell(String),
}

impl Decision {
    /// Yes, for a minute at most and without further conditions.
    pub fn yes() -> Self {
        Self::Yes {
            at_most: DISCHARGE_TTL,
            caveats: Vec::new(),
        }
    }
}

/// Decides. Write `async fn` in implementations.
pub trait Decide: Send + Sync + 'static {
    /// Whether this can be decided later on, and whether `registered_by` may have it decided for `principal`.
    fn accept(&self, wanted: &Registration) -> impl Future<Output = Result<(), Declined>> + Send;

    /// Whether it is true now. Asked anew for every discharge, and only where `caller` is the principal of the registration.
    fn decide(
        &self,
        asked: &Registration,
        caller: &Caller,
    ) -> impl Future<Output = Decision> + Send;
}

/// So that the program can change what it decides by.
impl<D: Decide> Decide for Arc<D> {
    async fn accept(&self, wanted: &Registration) -> Result<(), Declined> {
        D::accept(self, wanted).await
    }

    async fn decide(&self, asked: &Registration, caller: &Caller) -> Decision {
        D::decide(self, asked, caller).await
    }
}
