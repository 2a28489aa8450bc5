//! Facts from what Envoy knows of a request (`ext_authz`). What it does not say is not known.

use cattery_core::PRESENTER_KEY;
use cattery_proto::envoy::config::core::v3::address::Address as Kind;
use cattery_proto::envoy::config::core::v3::{Address, HeaderValue};
use cattery_proto::envoy::service::auth::v3::AttributeContext;
use cattery_proto::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer};
use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use super::Facts;

/// What a route's configuration says to the agent itself; any other key is the service's own context.
const OWN_KEYS: &str = "cattery.";
/// The scope that requests on the route need.
const SCOPE: &str = "cattery.scope";
/// `whole`: the route sends each request's body, so that one without a body has the empty one.
const BODY: &str = "cattery.body";
const WHOLE: &str = "whole";

/// Where Envoy says whether the body that it sends is only the begin of one; a client's header of this name never gets here.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// The proxy's configuration says what makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadExtension {
    /// Known from tokens alone.
    #[error(
        "context_extensions has the key `{PRESENTER_KEY}`, which is known from tokens alone: give that entry another key"
    )]
    Presenter,
    /// A key that nobody knows.
    #[error(
        "context_extensions has the key `{0}`; of those that begin with `{OWN_KEYS}` there are `{SCOPE}` and `{BODY}`"
    )]
    Unknown(String),
    /// A word that nobody knows.
    #[error("context_extensions says `{BODY}: {0}`; it can be `{WHOLE}`, or be left out")]
    Body(String),
}

/// SHA-256 of the certificate that the client showed to the proxy, where the proxy passes it on.
pub(crate) fn client_certificate(attributes: &AttributeContext) -> Option<[u8; 32]> {
    let certificate = &attributes.source.as_ref()?.certificate;
    if certificate.is_empty() {
        return None;
    }
    let pem: Vec<u8> = percent_decode_str(certificate).collect();
    let der = CertificateDer::from_pem_slice(&pem).ok()?;
    Some(Sha256::digest(&der).into())
}

/// Reads all that Envoy knows.
pub(crate) fn from_check<'a>(
    attributes: &'a AttributeContext,
    client_certificate: Option<&'a [u8; 32]>,
) -> Result<Facts<'a>, BadExtension> {
    let mut facts = Facts {
        client_cert_sha256: client_certificate,
        source_addr: attributes.source.as_ref().and_then(address),
        ..Facts::default()
    };
    let mut body_is_whole = false;
    for (key, value) in &attributes.context_extensions {
        match key.as_str() {
            PRESENTER_KEY => return Err(BadExtension::Presenter),
            SCOPE => facts.scope = Some(value),
            BODY if value == WHOLE => body_is_whole = true,
            BODY => return Err(BadExtension::Body(value.clone())),
            key if key.starts_with(OWN_KEYS) => return Err(BadExtension::Unknown(key.to_owned())),
            key => facts.context.push((key, value)),
        }
    }
    if let Some(http) = http(attributes) {
        facts.method = some(&http.method);
        facts.authority = some(&http.host);
        facts.path_and_query = some(&http.path);
        facts.body_sha256 = body(http, body_is_whole);
    }
    Ok(facts)
}

/// The request as HTTP.
pub(crate) fn http(attributes: &AttributeContext) -> Option<&HttpRequest> {
    attributes.request.as_ref()?.http.as_ref()
}

/// The values of a header, by its name in lower case: one for each line or, where the proxy joins them, one with commas.
pub(crate) fn header<'a>(http: &'a HttpRequest, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines = http.header_map.iter().flat_map(|map| &map.headers);
    let lines = lines.filter(move |line| line.key == name).map(value);
    let joined = http.headers.get(name).map(String::as_bytes);
    lines.chain(joined)
}

/// The names of all headers that the proxy tells of.
pub(crate) fn header_names(http: &HttpRequest) -> impl Iterator<Item = &str> {
    let lines = http.header_map.iter().flat_map(|map| &map.headers);
    let lines = lines.map(|line| line.key.as_str());
    lines.chain(http.headers.keys().map(String::as_str))
}

fn value(line: &HeaderValue) -> &[u8] {
    if line.raw_value.is_empty() {
        line.value.as_bytes()
    } else {
        &line.raw_value
    }
}

fn address(peer: &Peer) -> Option<std::net::IpAddr> {
    let Address { address } = peer.address.as_ref()?;
    let Kind::SocketAddress(socket) = address.as_ref()?;
    socket.address.parse().ok()
}

/// Of a body that was sent in part nothing is known. Nor of one that is empty, unless every body is sent: it may not have been.
fn body(http: &HttpRequest, is_whole: bool) -> Option<[u8; 32]> {
    let sent = if http.raw_body.is_empty() {
        http.body.as_bytes()
    } else {
        &http.raw_body
    };
    let mut partial = header(http, PARTIAL_BODY);
    let is_known = match partial.next() {
        Some(b"false") => is_whole || !sent.is_empty(),
        Some(_) => false,
        None => is_whole && sent.is_empty(),
    };
    is_known.then(|| Sha256::digest(sent).into())
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
