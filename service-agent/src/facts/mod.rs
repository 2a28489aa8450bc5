//! What is known of a request, on its way into the core: from a gRPC caller, who vouches for each fact, from Envoy,
//! or from the headers that the configuration trusts.

mod check;
mod headers;
mod message;

use std::net::IpAddr;

pub(crate) use check::{client_certificate, from_check, header, header_names, http};
pub(crate) use headers::{REQUEST_HEADERS, from_headers};
pub(crate) use message::{BadFact, Sent, from_message};

/// What the core will borrow.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) authority: Option<&'a str>,
    pub(crate) path_and_query: Option<&'a str>,
    pub(crate) source_addr: Option<IpAddr>,
    pub(crate) client_cert_sha256: Option<&'a [u8; 32]>,
    pub(crate) scope: Option<&'a str>,
    pub(crate) body_sha256: Option<[u8; 32]>,
    pub(crate) context: Vec<(&'a str, &'a str)>,
}

impl Facts<'_> {
    /// The one place where facts become the core's.
    pub(crate) fn as_core(&self) -> cattery_core::RequestFacts<'_> {
        cattery_core::RequestFacts {
            method: self.method,
            authority: self.authority,
            path_and_query: self.path_and_query,
            source_addr: self.source_addr,
            client_cert_sha256: self.client_cert_sha256,
            scope: self.scope,
            body_sha256: self.body_sha256,
            context: &self.context,
        }
    }
}
