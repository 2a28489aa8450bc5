//! The answer to a request that is not let through. A caller is told the code alone.

use cattery_core::Code;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::denial::{challenge, http_status};

/// Why a request is not let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no token.
    #[error("there is no token")]
    NoToken,
    /// Who are you? With a code of the protocol.
    #[error("the token is refused: {0}")]
    Unauthorized(String),
    /// A caveat said no.
    #[error("the token is refused: {0}")]
    Forbidden(String),
    /// The memory of single-use tokens has no room for this one now.
    #[error("the memory of single-use tokens is full")]
    ReplayFull,
    /// Nobody can tell. The reason is for the log.
    #[error("the token cannot be checked: {0}")]
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
            503 if code == Code::ReplayFull.as_str() => Self::ReplayFull,
            _ => Self::Unavailable("the agent cannot tell".to_owned()),
        }
    }

    pub(super) fn of_code(code: Code) -> Self {
        Self::new(code.as_str(), http_status(code).as_u16().into())
    }

    /// 401: who are you. 403: a caveat said no. 503: not now.
    pub fn http_status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::ReplayFull | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What a caller may be told: a code of the protocol, `no_token` or `unavailable`.
    pub fn code(&self) -> &str {
        match self {
            Self::NoToken => "no_token",
            Self::Unauthorized(code) | Self::Forbidden(code) => code,
            Self::ReplayFull => Code::ReplayFull.as_str(),
            Self::Unavailable(_) => "unavailable",
        }
    }

    pub(super) fn response<R: Default>(&self, realm: &str, is_grpc: bool) -> Response<R> {
        let mut response = Response::new(R::default());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge(realm) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        let status = self.http_status();
        if is_grpc {
            put_grpc(headers, status, self.code());
            return response;
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        *response.status_mut() = status;
        response
    }

    /// It carries the code, in a 503 too (RFC 9110, section 11.6.1, allows it there).
    fn challenge(&self, realm: &str) -> Option<HeaderValue> {
        match self {
            Self::NoToken => challenge(realm, None),
            Self::Unauthorized(_) | Self::Forbidden(_) | Self::ReplayFull => {
                challenge(realm, Some(self.code()))
            }
            Self::Unavailable(_) => None,
        }
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
