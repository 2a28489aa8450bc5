//! `/auth`: a proxy asks whether the request in front of it may pass. The answer's status and headers are RFC 6750's.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cattery_core::{Authorization, Code, Verified, authorization};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::refusal::Refusals;
use crate::agent::Agent;
use crate::facts::from_headers;
use crate::verdict::Verdict;

const PRINCIPAL: HeaderName = HeaderName::from_static("x-cat-principal");
const TOKEN_ID: HeaderName = HeaderName::from_static("x-cat-token-id");
const SCOPES: HeaderName = HeaderName::from_static("x-cat-scopes");
const EPOCH: HeaderName = HeaderName::from_static("x-cat-epoch");
const CLAIMS_TYPE: HeaderName = HeaderName::from_static("x-cat-claims-type");
const CLAIMS: HeaderName = HeaderName::from_static("x-cat-claims");

/// The agent, and what it says where the answer is no.
pub(super) struct ForwardAuth {
    agent: Arc<Agent>,
    refusals: Refusals,
}

impl ForwardAuth {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        let refusals = Refusals::new(agent.service.as_str());
        Self { agent, refusals }
    }
}

pub(super) async fn answer(State(auth): State<Arc<ForwardAuth>>, request: Request) -> Response {
    let (agent, refusals, headers) = (&auth.agent, &auth.refusals, request.headers());
    let values = headers.get_all(AUTHORIZATION).iter();
    let presentation = match authorization(values.map(HeaderValue::as_bytes)) {
        Authorization::Absent => return refusals.no_token(),
        Authorization::Malformed => return refusals.refuse(Verdict::Denied(Code::Malformed)),
        Authorization::Presentation(presentation) => presentation,
    };
    let facts = from_headers(headers, agent.config.header_facts);
    let verified = agent.verify(presentation, &facts, |token| results(&token));
    match verified.await {
        Ok(results) => (StatusCode::OK, results).into_response(),
        Err(verdict) => refusals.refuse(verdict),
    }
}

/// All six, always: a proxy that copies them replaces whatever the client sent under these names.
fn results(token: &Verified<'_>) -> HeaderMap {
    let mut scopes = String::new();
    for scope in token.scopes().into_iter().flatten() {
        if !scopes.is_empty() {
            scopes.push(' ');
        }
        put_escaped(&mut scopes, scope);
    }
    [
        (PRINCIPAL, token.principal().to_owned()),
        (TOKEN_ID, hex::encode(token.token_id())),
        (SCOPES, scopes),
        (EPOCH, token.key_id().epoch.to_string()),
        (CLAIMS_TYPE, token.claims_type().to_owned()),
        (CLAIMS, URL_SAFE_NO_PAD.encode(token.claims())),
        (CACHE_CONTROL, "no-store".to_owned()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.try_into().ok()?)))
    .collect()
}

/// A scope may be any text; what does not fit between spaces in a header is percent-encoded.
fn put_escaped(out: &mut String, scope: &str) {
    for byte in scope.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b',' {
            out.push(byte.into());
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_survive_a_header() {
        let mut out = String::new();
        put_escaped(&mut out, "photos:read é, %\n");
        assert_eq!(out, "photos:read%20%C3%A9%2C%20%25%0A");
        assert!(HeaderValue::try_from(out).is_ok());
    }
}
