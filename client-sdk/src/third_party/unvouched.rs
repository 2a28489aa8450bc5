//! Why a token goes nowhere: somebody does not vouch for it.

use std::sync::Arc;

use cattery_core::{FormError, limits::MAX_DISCHARGES};

use super::{AskError, Needed};

/// Why a token has not all the discharges that it asks for.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unvouched {
    /// Nobody has been asked yet: wait for it with [`ThirdParties::present`](super::ThirdParties::present).
    #[error("{} has not vouched for it yet", who(.0))]
    NotYet(Vec<Needed>),
    /// Somebody was asked, and does not vouch.
    #[error("{who} does not vouch for it: {why}")]
    Refused {
        /// Who: `service/NAME`.
        who: String,
        /// What came back.
        why: Arc<AskError>,
    },
    /// There was no answer in time.
    #[error("{0} did not answer in time")]
    TooLate(String),
    /// Nobody said where that third party is.
    #[error("it asks for the word of {0}, and no address of that is known: `ThirdParties::at`")]
    NoAddress(String),
    /// It asks for more discharges than a presentation can have.
    #[error("it asks for more than {MAX_DISCHARGES} discharges, and no service takes so many")]
    TooMany,
    /// So many different tickets are in use that there is no room for another.
    #[error("there is no room for another ticket until earlier ones are not used any more")]
    Full,
    /// It is no token.
    #[error("it is malformed: {0}")]
    Form(#[from] FormError),
}

fn who(needed: &[Needed]) -> &str {
    needed
        .first()
        .map_or("a third party", |needed| &needed.principal)
}
