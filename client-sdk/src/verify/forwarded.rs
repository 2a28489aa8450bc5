//! What a caller carries on for others, each presentation with a verdict of its own.

use cattery_core::FORWARD_HEADER;
use http::{HeaderMap, HeaderValue};

use super::{Caller, Refusal};

/// What came of one presentation: who it speaks for, or why it is refused.
pub type Verdict = Result<Caller, Refusal>;

/// What came in `x-cat-forward`: an extension of every request with that header that [`VerifyLayer`](super::VerifyLayer) lets
/// through, beside the [`Caller`], who presents it. A request without it has none.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// All marked sensitive.
    values: Vec<HeaderValue>,
    verdicts: Vec<Verdict>,
}

impl Forwarded {
    pub(super) fn new(values: impl Iterator<Item = HeaderValue>, verdicts: Vec<Verdict>) -> Self {
        let sensitive = |mut value: HeaderValue| {
            value.set_sensitive(true);
            value
        };
        Self {
            values: values.map(sensitive).collect(),
            verdicts,
        }
    }

    /// With verdicts that nobody has reached and nothing to carry on, for the unit tests of handlers.
    pub fn for_tests(verdicts: Vec<Verdict>) -> Self {
        Self::new(std::iter::empty(), verdicts)
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

    /// Adds all of it, as it came, to the headers of an outgoing request: whatever the verdicts here, the next service has its own.
    /// [`CarryForwardLayer`](crate::sign::CarryForwardLayer) does it in a tower stack.
    pub fn carry_on(&self, headers: &mut HeaderMap) {
        for value in &self.values {
            headers.append(FORWARD_HEADER, value.clone());
        }
    }
}
