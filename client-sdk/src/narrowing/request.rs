//! A request as people write it, to bind something to it (SPEC section 6).

use cattery_core::{Caveat, request_digest};
use http::{
    Method, Uri,
    uri::{Authority, PathAndQuery},
};

use crate::sign;

/// Why nothing can be bound to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The method is none.
    #[error("the method is not one, like GET")]
    Method,
    /// The URL is none, or names no host.
    #[error(
        "the URL is not like https://photos.example/albums?x=1, percent-encoded where it has to be"
    )]
    Url,
}

/// The condition that a request is this one. `url` is absolute, and taken as clients send it: without a user, a fragment and its scheme's own
/// port. `body_sha256` covers the body; without it the body may be any.
///
/// # Errors
/// Method or URL is none.
pub fn request_caveat(
    method: &str,
    url: &str,
    body_sha256: Option<[u8; 32]>,
) -> Result<Caveat<'static>, RequestError> {
    let method: Method = method.parse().map_err(|_| RequestError::Method)?;
    if !url.is_ascii() {
        return Err(RequestError::Url);
    }
    let uri: Uri = url.parse().map_err(|_| RequestError::Url)?;
    let sent = sign::normal(&uri).map_err(|_| RequestError::Url)?;
    let authority = sent.authority().map(Authority::as_str);
    let path = sent.path_and_query().map(PathAndQuery::as_str);
    let (Some(authority), Some(path), true) = (authority, path, sent.scheme().is_some()) else {
        return Err(RequestError::Url);
    };
    Ok(Caveat::Request {
        digest: request_digest(method.as_str(), authority, path, body_sha256.as_ref()),
        body: body_sha256.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_bound_as_it_is_sent() {
        let bound = |method, url| request_caveat(method, url, None);
        let expected = Caveat::Request {
            digest: request_digest("GET", "photos.example", "/albums?x=1", None),
            body: false,
        };
        for url in [
            "https://photos.example/albums?x=1",
            "https://PHOTOS.example:443/albums?x=1#top",
            "http://me:secret@photos.example:80/albums?x=1",
        ] {
            assert_eq!(bound("GET", url).as_ref(), Ok(&expected), "{url}");
        }
        for url in [
            "https://photos.example/albums?x=2",
            "https://photos.example:8443/albums?x=1",
            "https://photos.example/albums/?x=1",
        ] {
            assert_ne!(bound("GET", url).as_ref(), Ok(&expected), "{url}");
        }
        assert_ne!(
            bound("get", "https://photos.example/albums?x=1"),
            Ok(expected.clone())
        );
        let body = request_caveat("GET", "https://photos.example/albums?x=1", Some([1; 32]));
        assert!(matches!(body, Ok(Caveat::Request { body: true, .. })));
        for url in [
            "",
            "/albums",
            "photos.example",
            "https://",
            "https://a/ b",
            "https://a/ü",
        ] {
            assert_eq!(bound("GET", url), Err(RequestError::Url), "{url}");
        }
        assert_eq!(bound("G T", "https://a/"), Err(RequestError::Method));
    }
}
