//! What a caller carries on for others, each presentation with a verdict of its own.

use cattery_core::{
    FORWARD_HEADER, ForwardHeader,
    inspect::{self, Inspected},
};
use http::{HeaderMap, HeaderValue};

use super::{Caller, Refusal, scratch::with_scratch};

/// Stands for a presentation that is not carried on: the next verifier takes it for one that is malformed, never for none.
const WITHHELD: &str = "withheld";

/// What came of one presentation: who it speaks for, or why it is refused.
pub type Verdict = Result<Caller, Refusal>;

/// What came in `x-cat-forward`: an extension of every request with that header that [`VerifyLayer`](super::VerifyLayer) lets
/// through, beside the [`Caller`], who presents it. A request without it has none.
#[derive(Clone, Debug)]
pub struct Forwarded {
    verdicts: Vec<Verdict>,
    /// For the next service, marked sensitive.
    carried: Option<HeaderValue>,
}

impl Forwarded {
    pub(super) fn new(header: &ForwardHeader<'_>, caller: &Caller, verdicts: Vec<Verdict>) -> Self {
        let is_for = |principal: &str| {
            let mut known = verdicts.iter().flatten().chain([caller]);
            known.any(|known| known.principal == principal)
        };
        let carried = header.presentations().map(|presentation| {
            if is_in_the_name_of(presentation, is_for) {
                return presentation;
            }
            tracing::debug!(
                caller = caller.principal,
                "a forwarded token is not carried on: it is neither the caller's nor of one for whom the caller calls"
            );
            WITHHELD
        });
        let carried = carried.collect::<Vec<_>>().join(",");
        let carried = HeaderValue::from_str(&carried);
        let mut carried = carried.unwrap_or(HeaderValue::from_static(WITHHELD));
        carried.set_sensitive(true);
        Self {
            verdicts,
            carried: Some(carried),
        }
    }

    /// With verdicts that nobody has reached and nothing to carry on, for the unit tests of handlers.
    pub fn for_tests(verdicts: Vec<Verdict>) -> Self {
        Self {
            verdicts,
            carried: None,
        }
    }

    /// One for each presentation, in their order. A presentation for another service has the code `wrong_service`, and where this
    /// service takes none from the caller each has `presenter_not_trusted`: both are usual at a service in between.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// Those for whom the caller calls, proved by tokens that they signed for this service through this caller.
    pub fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.verdicts.iter().flatten()
    }

    /// Adds it to the headers of an outgoing request, whatever the verdicts here: the next service has its own.
    /// [`CarryForwardLayer`](crate::sign::CarryForwardLayer) does it in a tower stack.
    ///
    /// A token that is not in the name of the caller, or of one of [`callers`](Self::callers), stays here: somebody took it from
    /// whoever it speaks for, and this service would vouch for it. What goes in its place is malformed for the next service.
    pub fn carry_on(&self, headers: &mut HeaderMap) {
        if let Some(carried) = &self.carried {
            headers.append(FORWARD_HEADER, carried.clone());
        }
    }
}

/// A claim, which the service that the token is for will have proved.
fn is_in_the_name_of(presentation: &str, is_for: impl Fn(&str) -> bool) -> bool {
    let token = inspect::parts(presentation).next().unwrap_or_default();
    with_scratch(|scratch| match inspect::parse(token, scratch) {
        Ok(Inspected::Token(token)) => is_for(token.unverified_key_id().principal),
        Ok(Inspected::Discharge(_) | Inspected::Key(_)) | Err(_) => false,
    })
}
