//! One decision: what somebody asks at one of the faces, and what comes of it. Every answer of every face is concluded here.

use std::fmt;
use std::time::Duration;

use cattery_core::{Authorization, Code, ForwardHeader, Verified};
use cattery_meters::Label as _;
use cattery_telemetry::TraceParent;
use http::HeaderName;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span, trace};

use crate::agent::Agent;
use crate::clock::Moment;
use crate::decision_log::Line;
use crate::facts::Facts;
use crate::forward::Forwarded;
use crate::meters::{ForwardVerdicts, Verdicts};
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
    pub(crate) const ALL: [Self; 3] = [Self::Grpc, Self::ForwardAuth, Self::ExtAuthz];

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

impl DecisionId {
    pub(crate) fn new() -> Self {
        Self(rand::random())
    }

    /// As text.
    pub(crate) fn digits(self) -> [u8; 16] {
        let mut digits = [b'0'; 16];
        // There is room for all of them.
        let _ = hex::encode_to_slice(self.0.to_be_bytes(), &mut digits);
        digits
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.digits()).map_err(|_| fmt::Error)?)
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
    pub(crate) asked_at: Moment,
}

impl<'a> Question<'a> {
    /// One that is asked now. The values are those of the headers `x-request-id` and `traceparent`.
    pub(crate) fn new(
        face: Face,
        facts: Facts<'a>,
        request_id: Option<&'a [u8]>,
        trace_parent: Option<&'a [u8]>,
    ) -> Self {
        Self::asked_at(Moment::now(), face, facts, request_id, trace_parent)
    }

    /// The same for one that is asked at this moment.
    pub(crate) fn asked_at(
        asked_at: Moment,
        face: Face,
        facts: Facts<'a>,
        request_id: Option<&'a [u8]>,
        trace_parent: Option<&'a [u8]>,
    ) -> Self {
        Self {
            id: DecisionId::new(),
            face,
            facts,
            request_id: request_id.and_then(cattery_telemetry::request_id),
            parent: trace_parent.and_then(TraceParent::read),
            asked_at,
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
        let span = question.span(self);
        let decided = match authorization {
            Authorization::Presentation(presentation) => {
                let verified = self.verify_all(question, presentation, forwarded, keep);
                if span.is_none() {
                    verified.await
                } else {
                    Box::pin(verified.instrument(span.clone())).await
                }
            }
            Authorization::Absent => Err(Verdict::NoToken),
            Authorization::Malformed => Err(Verdict::Denied(Code::Malformed)),
        };
        if let Err(verdict) = decided
            && !explains(verdict, authorization)
        {
            self.log_unexplained(question, verdict);
        }
        let verdict = decided.as_ref().map(|_| ()).map_err(|verdict| *verdict);
        let verdict = Verdicts(verdict);
        span.record("verdict", verdict.as_str());
        self.conclude(question, verdict);
        if let Ok((_, forwarded)) = &decided {
            for of in forwarded {
                let verdict = of.as_ref().map(|_| ()).map_err(|refused| *refused);
                self.meters.forwarded.add(ForwardVerdicts(verdict));
            }
        }
        decided
    }

    /// Logs a refusal whose reason no line has.
    pub(crate) fn log_unexplained(&self, question: &Question<'_>, verdict: Verdict) {
        let line = Line {
            verdict: verdict.code(),
            ..Line::default()
        };
        self.log_refused(Some(question), &line);
    }

    /// What is said of every decision, whatever came of it.
    fn conclude(&self, question: &Question<'_>, verdict: Verdicts) {
        let elapsed = question.asked_at.steady.elapsed();
        self.meters.verifications.add((question.face, verdict));
        self.meters
            .verification_duration
            .observe(question.face, elapsed);
        question.trace(verdict, elapsed);
    }

    /// The same of several decisions whose answers leave together: all of them were asked for `now`, at one face.
    pub(crate) fn conclude_many(
        &self,
        now: Moment,
        face: Face,
        decided: &[(&Question<'_>, Verdicts)],
    ) {
        let elapsed = now.steady.elapsed();
        for same in decided.chunk_by(|(_, one), (_, other)| one == other) {
            let Some((_, verdict)) = same.first() else {
                continue;
            };
            let meter = &self.meters.verifications;
            meter.add_many((face, *verdict), same.len() as u64);
        }
        let meter = &self.meters.verification_duration;
        meter.observe_many(face, elapsed, decided.len() as u64);
        for (question, verdict) in decided {
            question.trace(*verdict, elapsed);
        }
    }
}

impl Question<'_> {
    /// A span for a collector; none where nobody wants one.
    fn span(&self, agent: &Agent) -> Span {
        if !self.is_traced() {
            return Span::none();
        }
        let span = info_span!(
            target: cattery_telemetry::TARGET,
            "decide",
            otel.kind = "server",
            service = agent.service.as_str(),
            face = self.face.as_str(),
            decision = %self.id,
            request_id = self.request_id,
            verdict = Empty,
        );
        if let Some(parent) = &self.parent {
            cattery_telemetry::set_parent(&span, parent);
        }
        span
    }

    /// Whether a collector wants to know.
    pub(crate) fn is_traced(&self) -> bool {
        cattery_telemetry::is_traced(self.parent.as_ref())
    }

    fn trace(&self, verdict: Verdicts, elapsed: Duration) {
        let (id, face) = (self.id, self.face.as_str());
        let (verdict, elapsed_us) = (verdict.as_str(), elapsed.as_micros());
        trace!(decision = %id, face, verdict, elapsed_us, "decided");
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
