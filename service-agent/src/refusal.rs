//! What proxies are to answer where a request may not pass. Made once: anybody can ask for one, as often as they like.

use axum::body::Bytes;
use cattery_core::Code;
use cattery_sdk::denial;
use http::{HeaderValue, StatusCode};

use crate::verdict::Verdict;

/// When to try again, seconds.
pub(crate) const RETRY_AFTER_SECONDS: &str = "1";

/// One answer for each reason.
pub(crate) struct Refusals {
    no_token: Refusal,
    unavailable: Refusal,
    denied: Vec<(Code, Refusal)>,
}

pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// `WWW-Authenticate` (RFC 6750, section 3). None where the caller is not to blame, and may try again.
    pub(crate) challenge: Option<HeaderValue>,
    /// The code and a line break.
    pub(crate) body: Bytes,
}

impl Refusals {
    pub(crate) fn new(service: &str) -> Self {
        let denied = |code: &Code| (*code, Refusal::of(service, Verdict::Denied(*code)));
        Self {
            no_token: Refusal::of(service, Verdict::NoToken),
            unavailable: Refusal::of(service, Verdict::Unavailable),
            denied: Code::ALL.iter().map(denied).collect(),
        }
    }

    pub(crate) fn of(&self, verdict: Verdict) -> &Refusal {
        match verdict {
            Verdict::NoToken => &self.no_token,
            Verdict::Unavailable => &self.unavailable,
            Verdict::Denied(code) => {
                let denied = self.denied.iter().find(|(of, _)| *of == code);
                denied.map_or(&self.unavailable, |(_, refusal)| refusal)
            }
        }
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
}
