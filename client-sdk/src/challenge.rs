//! The code of a refusal in `WWW-Authenticate` (RFC 6750, section 3): written by the verifying side, read by the signing one.

use cattery_core::Code;
use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

const DESCRIPTION: &str = "error_description=\"";

/// `realm` is a service's name, `code` a word of the protocol; neither has a character that needs quoting.
pub(crate) fn challenge(realm: &str, code: Option<&str>) -> Option<HeaderValue> {
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
