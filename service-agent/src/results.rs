//! What proxies are told where a request may pass: headers for the service behind them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cattery_core::Verified;
use http::HeaderName;

use crate::decision::{DECISION_ID, DecisionId};
use crate::forward::Forwarded;

const PRINCIPAL: HeaderName = HeaderName::from_static("x-cat-principal");
const TOKEN_ID: HeaderName = HeaderName::from_static("x-cat-token-id");
const SCOPES: HeaderName = HeaderName::from_static("x-cat-scopes");
const EPOCH: HeaderName = HeaderName::from_static("x-cat-epoch");
const CLAIMS_TYPE: HeaderName = HeaderName::from_static("x-cat-claims-type");
const CLAIMS: HeaderName = HeaderName::from_static("x-cat-claims");
const FORWARDED_VERDICTS: HeaderName = HeaderName::from_static("x-cat-forwarded-verdicts");
const FORWARDED_PRINCIPAL: HeaderName = HeaderName::from_static("x-cat-forwarded-principal");
const FORWARDED_TOKEN_ID: HeaderName = HeaderName::from_static("x-cat-forwarded-token-id");
const FORWARDED_SCOPES: HeaderName = HeaderName::from_static("x-cat-forwarded-scopes");

/// What is told of a token, each as the value of a header.
pub(crate) struct Told {
    pub(crate) principal: String,
    pub(crate) token_id: String,
    /// With spaces between them.
    pub(crate) scopes: String,
    pub(crate) epoch: u32,
    pub(crate) claims_type: String,
    pub(crate) claims: String,
}

impl From<&Verified<'_>> for Told {
    fn from(token: &Verified<'_>) -> Self {
        let mut scopes = String::new();
        for scope in token.scopes().into_iter().flatten() {
            if !scopes.is_empty() {
                scopes.push(' ');
            }
            put_escaped(&mut scopes, scope);
        }
        Self {
            principal: token.principal().to_owned(),
            token_id: hex::encode(token.token_id()),
            scopes,
            epoch: token.key_id().epoch,
            claims_type: token.claims_type().to_owned(),
            claims: URL_SAFE_NO_PAD.encode(token.claims()),
        }
    }
}

/// All of them, always: a proxy that copies them replaces whatever the client sent under these names. Each value fits into a header.
pub(crate) fn results(
    decision: DecisionId,
    caller: Told,
    forwarded: &[Forwarded<Told>],
) -> [(HeaderName, String); 11] {
    let verdict = |verdict: &Forwarded<Told>| match verdict {
        Ok(_) => "ok",
        Err(refused) => refused.code(),
    };
    let verdicts: Vec<_> = forwarded.iter().map(verdict).collect();
    let of_accepted = |value: fn(&Told) -> &str| {
        let values: Vec<_> = forwarded.iter().flatten().map(value).collect();
        values.join(",")
    };
    [
        (PRINCIPAL, caller.principal),
        (TOKEN_ID, caller.token_id),
        (SCOPES, caller.scopes),
        (EPOCH, caller.epoch.to_string()),
        (CLAIMS_TYPE, caller.claims_type),
        (CLAIMS, caller.claims),
        (FORWARDED_VERDICTS, verdicts.join(",")),
        (FORWARDED_PRINCIPAL, of_accepted(|told| &told.principal)),
        (FORWARDED_TOKEN_ID, of_accepted(|told| &told.token_id)),
        (FORWARDED_SCOPES, of_accepted(|told| &told.scopes)),
        (DECISION_ID, decision.to_string()),
    ]
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
    use http::HeaderValue;

    use super::*;

    #[test]
    fn scopes_survive_a_header() {
        let mut out = String::new();
        put_escaped(&mut out, "photos:read é, %\n");
        assert_eq!(out, "photos:read%20%C3%A9%2C%20%25%0A");
        assert!(HeaderValue::try_from(out).is_ok());
    }
}
