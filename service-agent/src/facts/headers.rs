//! Facts from the headers that a proxy writes. A header that is there twice, or that cannot be read, makes its fact unknown.

use std::net::IpAddr;

use http::HeaderMap;

use super::Facts;
use crate::config::HeaderFacts;

/// Headers that a proxy writes about another request alone. Those about hosts and addresses are on any request that came through one.
pub(crate) const REQUEST_HEADERS: [&str; 5] = [
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-original-method",
    "x-original-url",
    "x-original-uri",
];

/// Reads what the configuration trusts.
pub(crate) fn from_headers(headers: &HeaderMap, trusted: HeaderFacts) -> Facts<'_> {
    match trusted {
        HeaderFacts::None => Facts::default(),
        HeaderFacts::XForwarded => Facts {
            method: one(headers, "x-forwarded-method"),
            authority: one(headers, "x-forwarded-host"),
            path_and_query: one(headers, "x-forwarded-uri"),
            // The last hop's entry is the proxy's own; those before it are what the client wrote.
            source_addr: one(headers, "x-forwarded-for")
                .and_then(|list| list.rsplit(',').next())
                .and_then(|last| last.trim_matches([' ', '\t']).parse().ok()),
            ..Facts::default()
        },
        HeaderFacts::XOriginal => x_original(headers),
    }
}

fn x_original(headers: &HeaderMap) -> Facts<'_> {
    let url = split_url(one(headers, "x-original-url"));
    if url.is_none() && headers.contains_key("x-original-url") {
        // The proxy set it: what it says cannot be had from headers that the client may have sent.
        return Facts {
            method: one(headers, "x-original-method"),
            source_addr: real_ip(headers),
            ..Facts::default()
        };
    }
    let authority = agreed(
        headers,
        ("x-original-url", url.and_then(|(authority, _)| authority)),
        ("x-original-host", one(headers, "x-original-host")),
    );
    let path_and_query = agreed(
        headers,
        ("x-original-url", url.map(|(_, path)| path)),
        ("x-original-uri", one(headers, "x-original-uri")),
    );
    Facts {
        method: one(headers, "x-original-method"),
        authority,
        path_and_query,
        source_addr: real_ip(headers),
        ..Facts::default()
    }
}

fn real_ip(headers: &HeaderMap) -> Option<IpAddr> {
    one(headers, "x-real-ip")?.parse().ok()
}

/// Two headers may say the same thing. Where both are there, both have to be readable, and equal; but for a URL without an
/// authority, which says nothing of it.
fn agreed<'a>(
    headers: &HeaderMap,
    (first_name, first): (&str, Option<&'a str>),
    (second_name, second): (&str, Option<&'a str>),
) -> Option<&'a str> {
    let is_unreadable = |name| headers.contains_key(name) && one(headers, name).is_none();
    if is_unreadable(first_name) || is_unreadable(second_name) {
        return None;
    }
    match (first, second) {
        (Some(a), Some(b)) if a != b => None,
        (first, second) => first.or(second),
    }
}

/// `https://HOST/PATH` into HOST and `/PATH`; `/PATH` is only that.
fn split_url(url: Option<&str>) -> Option<(Option<&str>, &str)> {
    let url = url?;
    if url.starts_with('/') {
        return Some((None, url));
    }
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    // An authority ends at any of these (RFC 3986, section 3.2); without a path, servers differ in what the path is.
    let end = rest.find(['/', '?', '#'])?;
    rest[end..]
        .starts_with('/')
        .then(|| (Some(&rest[..end]), &rest[end..]))
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    str::from_utf8(value.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    const FORWARDED: [(&str, &str); 4] = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-host", "photos.example"),
        ("x-forwarded-uri", "/a?b=c"),
        ("x-forwarded-for", "203.0.113.9, 192.0.2.1"),
    ];

    #[test]
    fn nothing_is_believed_by_default() {
        assert_eq!(
            from_headers(&headers(&FORWARDED), HeaderFacts::None),
            Facts::default()
        );
    }

    #[test]
    fn x_forwarded_takes_the_last_hop() {
        let headers = headers(&FORWARDED);
        let facts = from_headers(&headers, HeaderFacts::XForwarded);
        assert_eq!(facts.method, Some("GET"));
        assert_eq!(facts.authority, Some("photos.example"));
        assert_eq!(facts.path_and_query, Some("/a?b=c"));
        assert_eq!(facts.source_addr, Some("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_header_that_is_there_twice_or_unreadable_is_unknown() {
        let mut pairs = FORWARDED.to_vec();
        pairs.extend([
            ("x-forwarded-uri", "/other"),
            ("x-forwarded-for", "192.0.2.1"),
        ]);
        let twice = headers(&pairs);
        let facts = from_headers(&twice, HeaderFacts::XForwarded);
        assert_eq!((facts.path_and_query, facts.source_addr), (None, None));
        let odd = headers(&[("x-forwarded-for", "192.0.2.1, unknown")]);
        assert_eq!(
            from_headers(&odd, HeaderFacts::XForwarded).source_addr,
            None
        );
    }

    #[test]
    fn x_original_reads_urls_and_uris_that_agree() {
        let facts = |pairs: &[(&'static str, &'static str)]| {
            let headers = headers(pairs);
            let facts = from_headers(&headers, HeaderFacts::XOriginal);
            let own = |fact: Option<&str>| fact.map(str::to_owned);
            (own(facts.authority), own(facts.path_and_query))
        };
        let some = |text: &str| Some(text.to_owned());
        let url = ("x-original-url", "https://photos.example/a?b");
        assert_eq!(facts(&[url]), (some("photos.example"), some("/a?b")));
        assert_eq!(facts(&[("x-original-url", "/a")]), (None, some("/a")));
        assert_eq!(
            facts(&[("x-original-uri", "/a"), ("x-original-host", "h")]),
            (some("h"), some("/a"))
        );
        assert_eq!(
            facts(&[url, ("x-original-uri", "/other")]),
            (some("photos.example"), None)
        );
        assert_eq!(
            facts(&[url, ("x-original-host", "other")]),
            (None, some("/a?b"))
        );
        assert_eq!(facts(&[url, url, ("x-original-uri", "/a?b")]), (None, None));
        let smuggled = [("x-original-uri", "/b"), ("x-original-host", "evil")];
        for odd in [
            "ftp://h/a",
            "https://h?/a",
            "https://h#/a",
            "https://h",
            "a",
        ] {
            let [uri, host] = smuggled;
            assert_eq!(
                facts(&[("x-original-url", odd), uri, host]),
                (None, None),
                "{odd}"
            );
        }
    }
}
