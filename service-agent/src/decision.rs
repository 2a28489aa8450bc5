//! One decision: what somebody asks at one of the faces, and what comes of it. Every answer of every face is concluded here.

use std::fmt;
use std::time::Instant;

use cattery_core::{Authorization, Code, ForwardHeader, Verified};
use http::HeaderName;
use tracing::trace;

use crate::agent::Agent;
use crate::decision_log::Line;
use crate::facts::Facts;
use crate::forward::Forwarded;
use crate::trace_context::{self, TraceParent};
use crate::verdict::Verdict;

/// Where the id of a decision is told, to who asked and to the service behind; it is in the log, too.
pub(crate) const DECISION_ID: HeaderName = HeaderName::from_static("x-cat-decision-id");

/// Where somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// `cattery.v1.Agent/Verify`.
    Grpc,
    /// HTTP `/auth`.
    ForwardAuth,
    /// Envoy's `envoy.service.auth.v3.Authorization/Check`.
    ExtAuthz,
}

impl Face {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::ForwardAuth => "forward_auth",
            Self::ExtAuthz => "ext_authz",
        }
    }
}

/// 64 random bits: 16 hex digits. It leads from what a caller was told to a line of the log, and says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecisionId(u64);

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is asked, but for the token.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) id: DecisionId,
    pub(crate) face: Face,
    pub(crate) facts: Facts<'a>,
    /// What the proxy or the client calls the request.
    pub(crate) request_id: Option<&'a str>,
    /// The trace that it belongs to.
    pub(crate) parent: Option<TraceParent<'a>>,
    pub(crate) asked_at: Instant,
}

impl<'a> Question<'a> {
    /// One that is asked now. The values are those of the headers `x-request-id` and `traceparent`.
    pub(crate) fn new(
        face: Face,
        facts: Facts<'a>,
        request_id: Option<&'a [u8]>,
        trace_parent: Option<&'a [u8]>,
    ) -> Self {
        let trace_parent = trace_parent.and_then(|value| str::from_utf8(value).ok());
        Self {
            id: DecisionId(rand::random()),
            face,
            facts,
            request_id: request_id.and_then(trace_context::request_id),
            parent: trace_parent.and_then(TraceParent::read),
            asked_at: Instant::now(),
        }
    }
}

impl Agent {
    /// Decides on a request: on its own token, and on those that come with it for others. Of each that is good it gives what `keep` makes of it.
    ///
    /// # Errors
    /// What the caller may be told; the rest is in the log.
    pub(crate) async fn decide<T>(
        &self,
        question: &Question<'_>,
        authorization: Authorization<'_>,
        forwarded: Option<&ForwardHeader<'_>>,
        keep: impl Fn(&Verified<'_>) -> T,
    ) -> Result<(T, Vec<Forwarded<T>>), Verdict> {
        let decided = match authorization {
            Authorization::Presentation(presentation) => {
                self.verify_all(question, presentation, forwarded, keep)
                    .await
            }
            Authorization::Absent => Err(Verdict::NoToken),
            Authorization::Malformed => Err(Verdict::Denied(Code::Malformed)),
        };
        if let Err(verdict) = decided
            && !explains(verdict, authorization)
        {
            let line = Line {
                verdict: verdict.code(),
                ..Line::default()
            };
            self.log_refused(Some(question), &line);
        }
        question.conclude(
            decided
                .as_ref()
                .map_or_else(|verdict| verdict.code(), |_| "ok"),
        );
        decided
    }
}

impl Question<'_> {
    /// What is said of every decision, whatever came of it.
    fn conclude(&self, verdict: &'static str) {
        let elapsed_us = self.asked_at.elapsed().as_micros();
        trace!(decision = %self.id, face = self.face.as_str(), verdict, elapsed_us, "decided");
    }

    /// The id of the trace that it belongs to.
    pub(crate) fn trace_id(&self) -> Option<&str> {
        self.parent.map(|parent| parent.trace_id)
    }
}

/// Whether a token was looked at: then the reason is logged already.
fn explains(verdict: Verdict, authorization: Authorization<'_>) -> bool {
    matches!(authorization, Authorization::Presentation(_)) && matches!(verdict, Verdict::Denied(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_always_16_digits() {
        assert_eq!(DecisionId(0x1f).to_string(), "000000000000001f");
    }
}
