//! The answer to a request that is not let through. A caller is told the code alone.

use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::denial::{challenge, http_status};

/// Why a request is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has no token.
    NoToken,
    /// Who are you? With a code of the protocol.
    Unauthorized(String),
    /// A caveat said no.
    Forbidden(String),
    /// Nobody can tell. The reason is for the log.
    Unavailable(String),
}

impl Refusal {
    /// By code and by the HTTP status that the agent gives.
    pub(super) fn new(code: &str, status: u32) -> Self {
        let is_word = |code: &str| {
            !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        match status {
            401 if is_word(code) => Self::Unauthorized(code.to_owned()),
            403 if is_word(code) => Self::Forbidden(code.to_owned()),
            _ => Self::Unavailable("the agent cannot tell".to_owned()),
        }
    }

    pub(super) fn of_code(code: cattery_core::Code) -> Self {
        Self::new(code.as_str(), http_status(code).as_u16().into())
    }

    pub(super) fn response<R: Default>(&self, realm: &str, is_grpc: bool) -> Response<R> {
        let (status, code, challenge) = match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "no_token", challenge(realm, None)),
            Self::Unauthorized(code) => (
                StatusCode::UNAUTHORIZED,
                &code[..],
                challenge(realm, Some(code)),
            ),
            Self::Forbidden(code) => (
                StatusCode::FORBIDDEN,
                &code[..],
                challenge(realm, Some(code)),
            ),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", None),
        };
        let mut response = Response::new(R::default());
        let headers = response.headers_mut();
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if is_grpc {
            put_grpc(headers, status, code);
        } else {
            *response.status_mut() = status;
            if status == StatusCode::SERVICE_UNAVAILABLE {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
        }
        response
    }
}

/// A gRPC answer without messages says its status in its headers.
fn put_grpc(headers: &mut HeaderMap, status: StatusCode, code: &str) {
    let grpc_status = match status {
        StatusCode::UNAUTHORIZED => "16",
        StatusCode::FORBIDDEN => "7",
        _ => "14",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(grpc_status));
    if let Ok(code) = HeaderValue::from_str(code) {
        headers.insert("grpc-message", code);
    }
}
