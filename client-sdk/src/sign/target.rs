//! What a request names once it is on the wire. Clients change a URI on its way out: a user and a default port are dropped
//! over HTTP/1 and sent over HTTP/2, and an empty path is sent as `/`. Here that is done beforehand, for both alike.

use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::HOST,
    uri::{Authority, PathAndQuery},
};

use super::SignError;

/// The same URI in the form in which it is sent.
pub(crate) fn normal(uri: &Uri) -> Result<Uri, SignError> {
    let mut parts = uri.clone().into_parts();
    if let Some(authority) = &parts.authority {
        let text = without_default_port(authority, uri);
        parts.authority = Some(text.parse().map_err(|_| SignError::Uri)?);
    }
    let path = parts.path_and_query.as_ref().map(PathAndQuery::as_str);
    if let Some(query) = path.filter(|path| path.starts_with('?')) {
        let path = format!("/{query}").parse().map_err(|_| SignError::Uri)?;
        parts.path_and_query = Some(path);
    }
    Uri::from_parts(parts).map_err(|_| SignError::Uri)
}

/// What a normal URI and Host name alike; `None` where neither is there. A server over HTTP/1 sees Host alone, and one over
/// HTTP/2 both: where they differ, no token is good for both.
pub(super) fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, SignError> {
    let mut known = uri.authority().map(|named| named.as_str().to_owned());
    for host in headers.get_all(HOST) {
        let host = host.to_str().map_err(|_| SignError::Host)?;
        match &known {
            None => known = Some(host.to_owned()),
            Some(known) if same(known, host, uri) => {}
            Some(known) => {
                return Err(SignError::TwoAuthorities {
                    known: known.clone(),
                    host: host.to_owned(),
                });
            }
        }
    }
    Ok(known)
}

/// Puts the signed form into the request. A Host beside it takes its form, unless the caller means another by it.
pub(super) fn put<B>(uri: Uri, request: &mut Request<B>, keep_host: bool) {
    let host = uri.authority().map(Authority::as_str);
    if let Some(Ok(host)) = host.map(HeaderValue::from_str)
        && !keep_host
        && request.headers().contains_key(HOST)
    {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = uri;
}

fn same(known: &str, host: &str, uri: &Uri) -> bool {
    host.parse::<Authority>()
        .is_ok_and(|host| without_default_port(&host, uri).eq_ignore_ascii_case(known))
}

fn without_default_port(authority: &Authority, uri: &Uri) -> String {
    let host = authority.host();
    let default = match uri.scheme_str() {
        Some("http" | "ws") => Some(80),
        Some("https" | "wss") => Some(443),
        _ => None,
    };
    match authority.port_u16() {
        Some(port) if Some(port) != default => format!("{host}:{port}"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(hosts: &[&str]) -> HeaderMap {
        let hosts = hosts.iter().map(|host| (HOST, host.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in hosts {
            headers.append(name, value);
        }
        headers
    }

    fn named(uri: &str, headers: &[&str]) -> Result<Option<String>, SignError> {
        authority(&normal(&uri.parse().unwrap())?, &hosts(headers))
    }

    #[test]
    fn what_clients_change_is_changed_beforehand() {
        for (uri, authority, path) in [
            ("http://a.test:80/x?y=1", "a.test", "/x?y=1"),
            ("https://a.test:443/", "a.test", "/"),
            ("https://a.test:80/", "a.test:80", "/"),
            ("http://a.test:8080", "a.test:8080", "/"),
            ("http://me:secret@a.test/", "a.test", "/"),
            ("http://[::1]:80/", "[::1]", "/"),
            ("http://a.test?x=1", "a.test", "/?x=1"),
            ("/x?y", "", "/x?y"),
            ("*", "", "*"),
        ] {
            let sent = normal(&uri.parse().unwrap()).unwrap();
            let named = sent.authority().map_or("", Authority::as_str);
            let whole = sent.path_and_query().map_or("", PathAndQuery::as_str);
            assert_eq!((named, whole), (authority, path), "{uri}");
        }
    }

    #[test]
    fn a_host_that_names_the_same_takes_the_form_of_the_uri() {
        let found = named("https://a.test/x", &["A.test:443"]).unwrap();
        assert_eq!(found.as_deref(), Some("a.test"));
        let mut request = Request::get("/")
            .header(HOST, "A.test:443")
            .body(())
            .unwrap();
        put(Uri::from_static("https://a.test/x"), &mut request, false);
        assert_eq!(request.headers()[HOST], "a.test");
        assert_eq!(request.uri(), "https://a.test/x");
        let found = named("/x", &["a.test:1"]).unwrap();
        assert_eq!(found.as_deref(), Some("a.test:1"));
        assert_eq!(named("/x", &[]).unwrap(), None);
    }

    #[test]
    fn two_names_are_an_error() {
        for (uri, hosts) in [
            ("http://127.0.0.1:8080/", &["a.test"][..]),
            ("/", &["a.test", "b.test"]),
        ] {
            let refused = named(uri, hosts).err();
            assert!(matches!(refused, Some(SignError::TwoAuthorities { .. })));
        }
    }
}
