//! Which token a request gets.

use std::sync::Arc;

use cattery_core::{Caveat, FORWARD_HEADER, NameError, request_digest};
use http::{HeaderValue, Request, Uri, header::AUTHORIZATION, uri::PathAndQuery};

use super::{Forward, target};
use crate::{
    body::BodySha256,
    keys::{Client, MintError, MintOptions},
    third_party::{ThirdParties, Unvouched},
};

/// The scheme of an `Authorization` header (RFC 6750), and a blank.
const BEARER: &str = "Bearer ";

/// Signs requests to one service.
///
/// A token is good wherever it goes: what follows redirects belongs outside of a [`SignLayer`](super::SignLayer), and then
/// signs for wherever it is sent to. Do not follow redirects to others, or say where requests may go with [`Signer::only_to`].
#[derive(Clone)]
pub struct Signer {
    pub(super) client: Client,
    pub(super) service: Arc<str>,
    options: Arc<MintOptions>,
    binding: Binding,
    authority: Option<Arc<str>>,
    only_to: Option<Arc<str>>,
    forwards: Arc<Vec<Forward>>,
    pub(super) third_parties: Option<ThirdParties>,
}

/// Whether tokens are good for one request alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Binding {
    /// Where the request says what to bind to.
    WherePossible,
    Always,
    Never,
}

/// Why a request was not signed, and so not sent.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// There is no token.
    #[error("the request was not sent: {0}")]
    Mint(#[from] MintError),
    /// Somebody does not vouch for the token.
    #[error("the request was not sent: its token is not good yet, since {0}")]
    Unvouched(#[from] Unvouched),
    /// A token is bound to an authority, and the request names none.
    #[error(
        "the request was not sent: it has neither an authority in its URI nor a Host header to bind a token to; set `Signer::authority`"
    )]
    NoAuthority,
    /// A token is bound to an authority, and the request names two.
    #[error(
        "the request was not sent: it names `{known}` and its Host header `{host}`; send one of them, or set `Signer::authority` to the one that the service sees"
    )]
    TwoAuthorities {
        /// In the URI, or in another Host.
        known: String,
        /// In Host.
        host: String,
    },
    /// A Host header that is not text.
    #[error("the request was not sent: its Host header is not text")]
    Host,
    /// A URI without a form in which it could be sent.
    #[error("the request was not sent: its URI cannot be sent")]
    Uri,
    /// The request goes elsewhere than [`Signer::only_to`] says.
    #[error(
        "the request was not sent: it goes to `{0}`, and this signer signs for another authority alone"
    )]
    Elsewhere(String),
    /// A bound token for no request at all.
    #[error(
        "a token that is bound to its request needs the request: use SignLayer or `Signer::sign`"
    )]
    NeedsRequest,
    /// [`Forward::through`] with a name that nobody can have.
    #[error("the request was not sent: `{name}` cannot present a forwarded token: {why}")]
    Presenter {
        /// The name.
        name: String,
        /// Why.
        why: NameError,
    },
    /// A body to bind to is longer than the layer may hold.
    #[error(
        "the request was not sent: its body has more than the {limit} bytes that `DigestBodyLayer` may hold; raise the limit, or send long bodies past it"
    )]
    BodyTooLong {
        /// Bytes.
        limit: usize,
    },
    /// Text that is no header value: cannot happen with a token that was minted here.
    #[error("the request was not sent: its token is not a header value")]
    Header(#[from] http::header::InvalidHeaderValue),
}

impl Signer {
    /// Tokens for `service`, good for a minute, and for one method, authority, path and query alone: whoever steals one can do no more
    /// than send the same request again. A request that has a [`BodySha256`] among its extensions is bound to its body as well.
    ///
    /// A token is a bearer token, good for any request, where there is nothing to bind to: the request names no authority, or
    /// two ([`Signer::authority`] helps; a tonic channel needs it); or an [interceptor](super::SignInterceptor) signs, which sees no
    /// request. [`Signer::bound_to_request`] sends no such token; [`Signer::bearer`] sends no other.
    ///
    /// What stands between here and the verifier must not change method, authority, path or query, and the verifier has to know them: an
    /// agent's forward-auth needs `facts`, say. Otherwise it answers `caveat_failed`.
    ///
    /// Signing writes the URI as it is sent: without a user and a default port, and with `/` for an empty path.
    pub fn new(client: Client, service: impl Into<Arc<str>>) -> Self {
        Self {
            client,
            service: service.into(),
            options: Arc::default(),
            binding: Binding::WherePossible,
            authority: None,
            only_to: None,
            forwards: Arc::default(),
            third_parties: None,
        }
    }

    /// Tokens with other options.
    #[must_use]
    pub fn options(mut self, options: MintOptions) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// Nothing is sent that a token cannot be bound to: that is an error. Only with [`SignLayer`](super::SignLayer), right in front of
    /// what sends.
    #[must_use]
    pub fn bound_to_request(mut self) -> Self {
        self.binding = Binding::Always;
        self
    }

    /// Tokens that are good for any request: for a service whose verifier does not see requests as they are sent here.
    #[must_use]
    pub fn bearer(mut self) -> Self {
        self.binding = Binding::Never;
        self
    }

    /// The authority that the service sees, where the request's URI and Host do not say it: a tonic channel adds it later, and
    /// over HTTP/1 it is Host alone, whatever the URI names.
    #[must_use]
    pub fn authority(mut self, authority: impl Into<Arc<str>>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Signs no request whose URI names another authority (`HOST` or `HOST:PORT`, without a default port), so that a redirect
    /// takes no token elsewhere.
    #[must_use]
    pub fn only_to(mut self, authority: impl Into<Arc<str>>) -> Self {
        self.only_to = Some(authority.into());
        self
    }

    /// Adds a token for a service further on to every request. May be called again, for others.
    #[must_use]
    pub fn forward(mut self, forward: Forward) -> Self {
        Arc::make_mut(&mut self.forwards).push(forward);
        self
    }

    /// A bearer token as the value of an `Authorization` header, marked sensitive.
    ///
    /// # Errors
    /// [`SignError::Mint`]; [`SignError::NeedsRequest`] after [`Signer::bound_to_request`].
    pub fn authorization(&self) -> Result<HeaderValue, SignError> {
        if self.binding == Binding::Always {
            return Err(SignError::NeedsRequest);
        }
        let token = self.client.mint(&self.service, &self.options)?;
        self.header(BEARER, &token)
    }

    /// The tokens for services further on, as values of `x-cat-forward` headers, marked sensitive.
    ///
    /// # Errors
    /// [`SignError::Mint`]; [`SignError::Presenter`]; [`SignError::Unvouched`].
    pub fn forwarded(&self) -> Result<Vec<HeaderValue>, SignError> {
        let forwards = self.forwards.iter();
        forwards
            .map(|forward| self.header("", &forward.token(&self.client, &self.service)?))
            .collect()
    }

    /// Puts a fresh token into the request, in place of any `Authorization` there is, and adds the tokens for services further on.
    ///
    /// # Errors
    /// [`SignError`]; the request is as it was.
    pub fn sign<B>(&self, request: &mut Request<B>) -> Result<(), SignError> {
        self.sign_noting_round(request).map(|_| ())
    }

    pub(super) fn sign_noting_round<B>(&self, request: &mut Request<B>) -> Result<u64, SignError> {
        let uri = target::normal(request.uri())?;
        self.check_goal(&uri)?;
        let bound = match self.binding {
            Binding::Never => None,
            Binding::WherePossible => self.bind(request, &uri).ok(),
            Binding::Always => Some(self.bind(request, &uri)?),
        };
        let is_bound = bound.is_some();
        let token = self.client.mint_with(&self.service, &self.options, bound)?;
        let value = self.header(BEARER, &token)?;
        let forwarded = self.forwarded()?;
        if is_bound {
            let keep_host = self.authority.is_some();
            target::put(uri, request, keep_host);
        }
        request.headers_mut().insert(AUTHORIZATION, value);
        for value in forwarded {
            request.headers_mut().append(FORWARD_HEADER, value);
        }
        Ok(token.round)
    }

    /// Whether one of the services further on is such a one.
    pub(super) fn goes_on_to(&self, is_such: impl Fn(&str) -> bool) -> bool {
        self.forwards
            .iter()
            .any(|forward| is_such(forward.service()))
    }

    fn check_goal(&self, uri: &Uri) -> Result<(), SignError> {
        match (&self.only_to, uri.authority()) {
            (Some(only), Some(named)) if !named.as_str().eq_ignore_ascii_case(only) => {
                Err(SignError::Elsewhere(named.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn bind<B>(&self, request: &Request<B>, uri: &Uri) -> Result<Caveat<'static>, SignError> {
        let named = match &self.authority {
            Some(authority) => authority.to_string(),
            None => target::authority(uri, request.headers())?.ok_or(SignError::NoAuthority)?,
        };
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let body = request.extensions().get::<BodySha256>();
        let digest = request_digest(
            request.method().as_str(),
            &named,
            path,
            body.map(|body| &body.0),
        );
        Ok(Caveat::Request {
            digest,
            body: body.is_some(),
        })
    }
}
