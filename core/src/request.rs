//! What a verifier knows of the request, and the digest that binds a token to one (SPEC sections 5 and 6).

use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// The facts of one request. `None` is "not known", and a caveat that needs it fails; the default knows nothing.
/// A fact counts as known only if it came from where the verifier's configuration trusts it to come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFacts<'a> {
    /// The method as sent; case matters.
    pub method: Option<&'a str>,
    /// `:authority` or Host as sent. Where both are there and differ, it is not known.
    pub authority: Option<&'a str>,
    /// Path and query, byte for byte as sent.
    pub path_and_query: Option<&'a str>,
    /// Where the request comes from. An IPv4-mapped IPv6 address counts as IPv4.
    pub source_addr: Option<IpAddr>,
    /// SHA-256 of the client's certificate in DER.
    pub client_cert_sha256: Option<&'a [u8; 32]>,
    /// The scope that this request needs.
    pub scope: Option<&'a str>,
    /// SHA-256 of the whole body.
    pub body_sha256: Option<[u8; 32]>,
    /// What else the verifier knows, by its configuration: keys and values. A key without an entry is not known, and one for
    /// [`PRESENTER_KEY`](crate::PRESENTER_KEY) counts for nothing.
    pub context: &'a [(&'a str, &'a str)],
}

impl<'a> RequestFacts<'a> {
    /// The path: `path_and_query` up to the first `?`.
    pub fn path(&self) -> Option<&'a str> {
        let whole = self.path_and_query?;
        match memchr::memchr(b'?', whole.as_bytes()) {
            Some(end) => whole.get(..end),
            None => Some(whole),
        }
    }
}

/// What a caveat is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) facts: &'a RequestFacts<'a>,
    /// Who presents a forwarded token, proved by a token of their own; `None` for a caller's own token.
    pub(crate) presenter: Option<&'a str>,
}

/// The digest of SPEC section 6, for a `request` caveat. `body_sha256` is there exactly where the caveat says `body`.
pub fn request_digest(
    method: &str,
    authority: &str,
    path_and_query: &str,
    body_sha256: Option<&[u8; 32]>,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"cat1.req\0");
    put(&mut hash, method.as_bytes());
    length(&mut hash, authority.len());
    let mut lower = [0; 64];
    for chunk in authority.as_bytes().chunks(lower.len()) {
        let lower = &mut lower[..chunk.len()];
        lower.copy_from_slice(chunk);
        lower.make_ascii_lowercase();
        hash.update(lower);
    }
    put(&mut hash, path_and_query.as_bytes());
    put(&mut hash, body_sha256.map_or(&[], |digest| digest));
    hash.finalize().into()
}

fn put(hash: &mut Sha256, bytes: &[u8]) {
    length(hash, bytes.len());
    hash.update(bytes);
}

/// be32 of a length. No request that a server holds in memory reaches 2^32 bytes of method, authority or path.
#[allow(clippy::cast_possible_truncation)]
fn length(hash: &mut Sha256, len: usize) {
    hash.update((len as u32).to_be_bytes());
}
