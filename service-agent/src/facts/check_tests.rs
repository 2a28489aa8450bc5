use cattery_proto::envoy::config::core::v3::{HeaderMap, SocketAddress};
use cattery_proto::envoy::service::auth::v3::attribute_context::Request;

use super::*;

fn attributes(http: HttpRequest, extensions: &[(&str, &str)]) -> AttributeContext {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    AttributeContext {
        request: Some(Request { http: Some(http) }),
        context_extensions: extensions.iter().map(own).collect(),
        ..AttributeContext::default()
    }
}

fn line(key: &str, value: &str) -> HeaderValue {
    HeaderValue {
        key: key.to_owned(),
        value: String::new(),
        raw_value: value.into(),
    }
}

fn body_of(http: HttpRequest, extensions: &[(&str, &str)]) -> Option<[u8; 32]> {
    let attributes = attributes(http, extensions);
    from_check(&attributes, None).unwrap().body_sha256
}

#[test]
fn a_request_is_read_as_envoy_tells_it() {
    let http = HttpRequest {
        method: "GET".into(),
        host: "photos.example".into(),
        path: "/a?b=c".into(),
        ..HttpRequest::default()
    };
    let mut attributes = attributes(http, &[("tenant", "blue"), (SCOPE, "photos:read")]);
    attributes.source = Some(Peer {
        address: Some(Address {
            address: Some(Kind::SocketAddress(SocketAddress {
                address: "2001:db8::1".into(),
            })),
        }),
        ..Peer::default()
    });
    let facts = from_check(&attributes, Some(&[7; 32])).unwrap();
    let expected = Facts {
        method: Some("GET"),
        authority: Some("photos.example"),
        path_and_query: Some("/a?b=c"),
        source_addr: Some("2001:db8::1".parse().unwrap()),
        client_cert_sha256: Some(&[7; 32]),
        scope: Some("photos:read"),
        body_sha256: None,
        context: vec![("tenant", "blue")],
    };
    assert_eq!(facts, expected);
}

#[test]
fn what_is_not_said_is_not_known() {
    let nothing = AttributeContext::default();
    assert_eq!(from_check(&nothing, None).unwrap(), Facts::default());
    let empty = attributes(HttpRequest::default(), &[]);
    assert_eq!(from_check(&empty, None).unwrap(), Facts::default());
}

#[test]
fn a_body_is_known_where_all_of_it_was_sent() {
    let digest = |body: &[u8]| Some(<[u8; 32]>::from(Sha256::digest(body)));
    let sent = |body: &str, partial: &[&str]| HttpRequest {
        raw_body: body.into(),
        header_map: Some(HeaderMap {
            headers: partial
                .iter()
                .map(|value| line(PARTIAL_BODY, value))
                .collect(),
        }),
        ..HttpRequest::default()
    };
    let whole = [(BODY, WHOLE)];
    assert_eq!(body_of(sent("{}", &["false"]), &[]), digest(b"{}"));
    assert_eq!(body_of(sent("{}", &["true"]), &[]), None);
    assert_eq!(body_of(sent("{}", &["true"]), &whole), None);
    assert_eq!(body_of(sent("{}", &[]), &[]), None);
    assert_eq!(
        body_of(sent("", &[]), &[]),
        None,
        "it may not have been sent"
    );
    assert_eq!(body_of(sent("", &["false"]), &[]), None, "the same");
    assert_eq!(body_of(sent("", &[]), &whole), digest(b""));
    assert_eq!(body_of(sent("", &["false"]), &whole), digest(b""));
    let text = HttpRequest {
        body: "{}".into(),
        headers: [(PARTIAL_BODY.to_owned(), "false".to_owned())].into(),
        ..HttpRequest::default()
    };
    assert_eq!(body_of(text, &[]), digest(b"{}"));
}

#[test]
fn headers_are_found_one_by_one_or_joined() {
    let raw = HttpRequest {
        header_map: Some(HeaderMap {
            headers: vec![
                line("authorization", "a"),
                line("x", "b"),
                line("authorization", "c"),
            ],
        }),
        ..HttpRequest::default()
    };
    let values: Vec<_> = header(&raw, "authorization").collect();
    assert_eq!(values, [b"a", b"c"]);
    assert_eq!(header_names(&raw).count(), 3);
    let joined = HttpRequest {
        headers: [("authorization".to_owned(), "a,c".to_owned())].into(),
        ..HttpRequest::default()
    };
    let values: Vec<_> = header(&joined, "authorization").collect();
    assert_eq!(values, [b"a,c"]);
}

#[test]
fn a_certificate_is_hashed_as_der() {
    let key = rcgen::generate_simple_self_signed(["client.test".to_owned()]).unwrap();
    let pem = key.cert.pem();
    let encoded: String = pem
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let of = |certificate: &str| {
        client_certificate(&AttributeContext {
            source: Some(Peer {
                certificate: certificate.to_owned(),
                ..Peer::default()
            }),
            ..AttributeContext::default()
        })
    };
    let expected: [u8; 32] = Sha256::digest(key.cert.der()).into();
    assert_eq!(of(&encoded), Some(expected));
    assert_eq!(of(""), None);
    assert_eq!(of("%2D%2Dno certificate"), None);
}

#[test]
fn a_configuration_that_makes_no_sense_is_named() {
    let of = |key, value| {
        let attributes = attributes(HttpRequest::default(), &[(key, value)]);
        from_check(&attributes, None).unwrap_err()
    };
    assert_eq!(of(PRESENTER_KEY, "service/web"), BadExtension::Presenter);
    assert_eq!(
        of("cattery.scopes", "x"),
        BadExtension::Unknown("cattery.scopes".into())
    );
    assert_eq!(of(BODY, "yes"), BadExtension::Body("yes".into()));
}
