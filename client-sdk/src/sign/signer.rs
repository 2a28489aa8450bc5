//! Which token a request gets.

use std::sync::Arc;

use cattery_core::{Caveat, request_digest};
use http::{
    HeaderValue, Request,
    header::{AUTHORIZATION, HOST},
};

use crate::{
    body::BodySha256,
    keys::{Client, MintError, MintOptions},
};

/// Signs requests to one service.
#[derive(Clone)]
pub struct Signer {
    pub(crate) client: Client,
    service: Arc<str>,
    options: Arc<MintOptions>,
    bound: bool,
    authority: Option<Arc<str>>,
}

/// Why a request was not signed, and so not sent.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// There is no token.
    #[error("the request was not sent: {0}")]
    Mint(#[from] MintError),
    /// A token is bound to an authority, and the request names none.
    #[error(
        "the request was not sent: it has neither an authority in its URI nor a Host header to bind a token to; set `Signer::authority`"
    )]
    NoAuthority,
    /// Text that is no header value: cannot happen with a token that was minted here.
    #[error("the request was not sent: its token is not a header value")]
    Header(#[from] http::header::InvalidHeaderValue),
}

impl Signer {
    /// Bearer tokens for `service`, good for a minute.
    pub fn new(client: Client, service: impl Into<Arc<str>>) -> Self {
        Self {
            client,
            service: service.into(),
            options: Arc::default(),
            bound: false,
            authority: None,
        }
    }

    /// Tokens with other options.
    #[must_use]
    pub fn options(mut self, options: MintOptions) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// Tokens that are good for one method, authority, path and query alone; and for one body, where the request has a
    /// [`BodySha256`] among its extensions. Only with [`SignLayer`](super::SignLayer), right in front of what sends.
    #[must_use]
    pub fn bound_to_request(mut self) -> Self {
        self.bound = true;
        self
    }

    /// The authority that the service sees, where the request's URI and Host do not say it (a tonic channel adds it later).
    #[must_use]
    pub fn authority(mut self, authority: impl Into<Arc<str>>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// A bearer token as the value of an `Authorization` header, marked sensitive.
    ///
    /// # Errors
    /// [`SignError::Mint`].
    pub fn authorization(&self) -> Result<HeaderValue, SignError> {
        let token = self.client.mint(&self.service, &self.options)?;
        Ok(token.header_value()?)
    }

    /// Puts a fresh token into the request, in place of any `Authorization` there is.
    ///
    /// # Errors
    /// [`SignError`]; the request is as it was.
    pub fn sign<B>(&self, request: &mut Request<B>) -> Result<(), SignError> {
        self.sign_noting_round(request).map(|_| ())
    }

    pub(super) fn is_bound(&self) -> bool {
        self.bound
    }

    pub(super) fn sign_noting_round<B>(&self, request: &mut Request<B>) -> Result<u64, SignError> {
        let bound = self.bound.then(|| self.binding(request)).transpose()?;
        let (token, round) = self
            .client
            .mint_noting_round(&self.service, &self.options, bound)?;
        request
            .headers_mut()
            .insert(AUTHORIZATION, token.header_value()?);
        Ok(round)
    }

    fn binding<B>(&self, request: &Request<B>) -> Result<Caveat<'static>, SignError> {
        let uri = request.uri();
        let host = request.headers().get(HOST);
        let authority = self
            .authority
            .as_deref()
            .or_else(|| uri.authority().map(http::uri::Authority::as_str))
            .or_else(|| host.and_then(|host| host.to_str().ok()))
            .ok_or(SignError::NoAuthority)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let body = request.extensions().get::<BodySha256>();
        let digest = request_digest(
            request.method().as_str(),
            authority,
            path,
            body.map(|body| &body.0),
        );
        Ok(Caveat::Request {
            digest,
            body: body.is_some(),
        })
    }
}
