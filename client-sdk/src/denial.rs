//! What a caller is told of a refusal over HTTP: a status, and the code in `WWW-Authenticate` (RFC 6750, section 3). Written by
//! the verifying side (the agent too), read by the signing one.

use cattery_core::Code;
use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

const DESCRIPTION: &str = "error_description=\"";

/// 401: who are you. 403: a caveat said no. 503: the verifier cannot tell, and the caller is not to blame.
#[must_use]
pub fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Malformed
        | Code::WrongService
        | Code::UnknownEpoch
        | Code::RetiredEpoch
        | Code::Revoked
        | Code::BadTag
        | Code::KeyExpired
        | Code::NotYetValid
        | Code::Expired
        | Code::LifetimeTooLong
        | Code::Replayed => StatusCode::UNAUTHORIZED,
        Code::CaveatFailed => StatusCode::FORBIDDEN,
        Code::ReplayFull => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The challenge. `realm` is a service's name, `code` a word of the protocol; neither has a character that needs quoting.
#[must_use]
pub fn challenge(realm: &str, code: Option<&str>) -> Option<HeaderValue> {
    let value = match code {
        None => format!("Bearer realm=\"{realm}\""),
        Some("caveat_failed") => format!(
            "Bearer realm=\"{realm}\", error=\"insufficient_scope\", {DESCRIPTION}caveat_failed\""
        ),
        Some(code) => {
            format!("Bearer realm=\"{realm}\", error=\"invalid_token\", {DESCRIPTION}{code}\"")
        }
    };
    HeaderValue::from_str(&value).ok()
}

/// The code for which a response refuses a token, if it does.
pub(crate) fn code_of(headers: &HeaderMap) -> Option<Code> {
    let from_challenge = headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
        let (_, behind) = value.to_str().ok()?.split_once(DESCRIPTION)?;
        behind.split_once('"')?.0.parse().ok()
    });
    // gRPC: 16 is UNAUTHENTICATED.
    from_challenge.or_else(|| {
        let status = headers.get("grpc-status")?;
        let message = headers.get("grpc-message")?;
        (status == "16").then(|| message.to_str().ok()?.parse().ok())?
    })
}

/// Whether newer keys could help.
pub(crate) fn asks_for_newer_keys(headers: &HeaderMap) -> bool {
    matches!(
        code_of(headers),
        Some(Code::RetiredEpoch | Code::UnknownEpoch | Code::Revoked | Code::KeyExpired)
    )
}
