//! What is known of a request: what came with it, and what the application's server vouches for.

use std::net::IpAddr;

use cattery_core::RequestFacts;
use cattery_proto::v1;
use http::{header::HOST, request::Parts};

use crate::body::BodySha256;

/// Where a request comes from: an extension that the application's server sets, from the connection (never from a header
/// that a stranger can write). Without it, a token that is narrowed by address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceAddr(pub IpAddr);

/// SHA-256 of the client's TLS certificate, DER: an extension that the application's server sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCertSha256(pub [u8; 32]);

pub(super) fn of<'a>(
    parts: &'a Parts,
    scope: Option<&'a str>,
    context: &'a [(&'a str, &'a str)],
) -> RequestFacts<'a> {
    let extensions = &parts.extensions;
    RequestFacts {
        method: Some(parts.method.as_str()),
        authority: authority(parts),
        path_and_query: parts.uri.path_and_query().map(|path| path.as_str()),
        source_addr: extensions.get().map(|SourceAddr(addr)| *addr),
        client_cert_sha256: extensions.get().map(|ClientCertSha256(sha256)| sha256),
        scope,
        body_sha256: extensions.get().map(|BodySha256(sha256)| *sha256),
        context,
    }
}

/// `:authority` or Host; not known where two of them differ.
fn authority(parts: &Parts) -> Option<&str> {
    let mut known = parts.uri.authority().map(http::uri::Authority::as_str);
    for host in parts.headers.get_all(HOST) {
        let host = host.to_str().ok()?;
        if known.is_some_and(|known| !known.eq_ignore_ascii_case(host)) {
            return None;
        }
        known = Some(host);
    }
    known
}

pub(super) fn for_agent(facts: &RequestFacts<'_>) -> v1::RequestFacts {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let context = facts.context.iter();
    v1::RequestFacts {
        method: owned(facts.method),
        authority: owned(facts.authority),
        path_and_query: owned(facts.path_and_query),
        source_addr: facts.source_addr.map(|addr| addr.to_string()),
        client_cert_sha256: facts.client_cert_sha256.map(|sha256| sha256.to_vec()),
        scope: owned(facts.scope),
        body_sha256: facts.body_sha256.map(|sha256| sha256.to_vec()),
        context: context
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority_of(uri: &str, hosts: &[&str]) -> Option<String> {
        let mut request = http::Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        authority(&parts).map(str::to_owned)
    }

    #[test]
    fn an_authority_is_known_where_all_agree() {
        assert_eq!(authority_of("/a", &[]), None);
        assert_eq!(authority_of("/a", &["x:1"]).as_deref(), Some("x:1"));
        assert_eq!(authority_of("http://x:1/a", &[]).as_deref(), Some("x:1"));
        assert_eq!(
            authority_of("http://X:1/a", &["x:1"]).as_deref(),
            Some("x:1")
        );
        assert_eq!(authority_of("http://y/a", &["x:1"]), None);
        assert_eq!(authority_of("/a", &["x:1", "y"]), None);
    }
}
