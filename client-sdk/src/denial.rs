//! What a caller is told of a refusal over HTTP: a status, and the code in `WWW-Authenticate` (RFC 6750, section 3). Written by
//! the verifying side (the agent too), read by the signing one.

use cattery_core::Code;
use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};

/// The verdict on a forwarded token whose presenter the verifier takes none from. With 403; no code of the protocol.
pub const PRESENTER_NOT_TRUSTED: &str = "presenter_not_trusted";

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

/// Whether a response refuses a token for `service`, and newer keys could help.
pub(crate) fn asks_for_newer_keys<R>(response: &Response<R>, service: &str) -> bool {
    let headers = response.headers();
    // gRPC: 16 is UNAUTHENTICATED.
    let refuses = response.status() == StatusCode::UNAUTHORIZED
        || headers
            .get("grpc-status")
            .is_some_and(|status| status == "16");
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    let code = challenges
        .filter_map(|value| code_of(value.to_str().ok()?, service))
        .next();
    refuses
        && matches!(
            code,
            Some(Code::RetiredEpoch | Code::UnknownEpoch | Code::Revoked | Code::KeyExpired)
        )
}

/// The code in a challenge of the service's own: what stands behind it may pass on another's.
fn code_of(challenge: &str, service: &str) -> Option<Code> {
    let (scheme, parameters) = challenge.split_once(' ')?;
    let realm = parameters.split(',').map(str::trim).find_map(|parameter| {
        let value = parameter.strip_prefix("realm=")?;
        Some(value.trim_matches('"'))
    });
    if !scheme.eq_ignore_ascii_case("bearer") || realm != Some(service) {
        return None;
    }
    let (_, behind) = parameters.split_once(DESCRIPTION)?;
    behind.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(status: u16, realm: &str, code: &str, grpc: Option<&'static str>) -> bool {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let challenge = challenge(realm, Some(code)).unwrap();
        let headers = response.headers_mut();
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"x\""),
        );
        headers.append(WWW_AUTHENTICATE, challenge);
        if let Some(grpc) = grpc {
            headers.insert("grpc-status", HeaderValue::from_static(grpc));
        }
        asks_for_newer_keys(&response, "photos")
    }

    #[test]
    fn only_the_services_own_refusal_of_a_key_asks_for_newer_ones() {
        for code in ["retired_epoch", "unknown_epoch", "revoked", "key_expired"] {
            assert!(asks(401, "photos", code, None), "{code}");
            assert!(asks(200, "photos", code, Some("16")), "{code}");
        }
        assert!(!asks(401, "photos", "expired", None));
        assert!(!asks(401, "mail", "revoked", None));
        assert!(!asks(200, "photos", "revoked", None));
        assert!(!asks(403, "photos", "revoked", None));
        assert!(!asks(200, "photos", "revoked", Some("7")));
    }
}
