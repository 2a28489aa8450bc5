//! What forward-auth answers where a request may not pass. Made once: anybody can ask for one, as often as they like.

use axum::body::{Body, Bytes};
use axum::response::Response;
use cattery_core::Code;
use cattery_sdk::denial;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::decision::{DECISION_ID, DecisionId};
use crate::verdict::Verdict;

/// One answer for each reason.
pub(super) struct Refusals {
    no_token: Refusal,
    unavailable: Refusal,
    denied: Vec<(Code, Refusal)>,
}

struct Refusal {
    status: StatusCode,
    /// None where the caller is not to blame.
    challenge: Option<HeaderValue>,
    body: Bytes,
}

impl Refusals {
    pub(super) fn new(service: &str) -> Self {
        let denied = |code: &Code| (*code, Refusal::of(service, Verdict::Denied(*code)));
        Self {
            no_token: Refusal::of(service, Verdict::NoToken),
            unavailable: Refusal::of(service, Verdict::Unavailable),
            denied: Code::ALL.iter().map(denied).collect(),
        }
    }

    pub(super) fn refuse(&self, verdict: Verdict, decision: DecisionId) -> Response {
        let refusal = match verdict {
            Verdict::NoToken => &self.no_token,
            Verdict::Unavailable => &self.unavailable,
            Verdict::Denied(code) => {
                let denied = self.denied.iter().find(|(of, _)| *of == code);
                denied.map_or(&self.unavailable, |(_, refusal)| refusal)
            }
        };
        refusal.respond(decision)
    }
}

impl Refusal {
    fn of(service: &str, verdict: Verdict) -> Self {
        let (status, code) = (verdict.http_status(), verdict.code());
        let challenge = match verdict {
            Verdict::NoToken => denial::challenge(service, None),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => None,
            _ => denial::challenge(service, Some(code)),
        };
        Self {
            status,
            challenge,
            body: format!("{code}\n").into(),
        }
    }

    fn respond(&self, decision: DecisionId) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::try_from(decision.to_string()) {
            headers.insert(DECISION_ID, id);
        }
        match &self.challenge {
            Some(challenge) => headers.insert(WWW_AUTHENTICATE, challenge.clone()),
            None => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
        };
        response
    }
}
