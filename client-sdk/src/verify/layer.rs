//! Verifying in a tower stack.

use std::{
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
};

use cattery_core::{Authorization, FORWARD_HEADER, ForwardHeader, RequestFacts, authorization};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request::Parts,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Caller, Forwarded, Verifier, facts, refusal::Refusal, seldom::Seldom, verifying::Verifying,
};

/// As a name that needs no reading.
const FORWARDED: HeaderName = HeaderName::from_static(FORWARD_HEADER);

type Of<T> = Arc<dyn Fn(&Parts) -> Option<T> + Send + Sync>;

/// Lets requests with a good token through, with a [`Caller`] among their extensions and without `x-cat-*` headers, which only
/// proxies in front of an agent may set; what came in `x-cat-forward` is an extension, too, [`Forwarded`]. Everything else it
/// answers itself.
///
/// It has to see the request as it was sent: it belongs outside of all that rewrites the URI, such as axum's `Router::nest`, or a path
/// caveat is checked against another path than the client's.
#[derive(Clone)]
pub struct VerifyLayer {
    rules: Arc<Rules>,
}

/// The service that [`VerifyLayer`] makes.
#[derive(Clone)]
pub struct Verify<S> {
    inner: S,
    rules: Arc<Rules>,
}

#[derive(Clone)]
struct Rules {
    verifier: Verifier,
    scope: Option<Of<String>>,
    source_addr: Option<Of<IpAddr>>,
    client_cert: Option<Of<[u8; 32]>>,
    context: Vec<(String, String)>,
    warning: Arc<Seldom>,
}

impl VerifyLayer {
    /// A layer that asks `verifier`.
    pub fn new(verifier: Verifier) -> Self {
        Self {
            rules: Arc::new(Rules {
                verifier,
                scope: None,
                source_addr: None,
                client_cert: None,
                context: Vec::new(),
                warning: Arc::default(),
            }),
        }
    }

    /// Which scope a request needs; `None` where it is not known, and a token that is narrowed by scope is refused.
    #[must_use]
    pub fn scope(
        mut self,
        scope: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.rules).scope = Some(Arc::new(scope));
        self
    }

    /// Where a request comes from: from the connection, never from a header that a stranger can write. Without it, it is what
    /// a [`SourceAddr`](super::SourceAddr) among the request's extensions says.
    #[must_use]
    pub fn source_addr(
        mut self,
        source_addr: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.rules).source_addr = Some(Arc::new(source_addr));
        self
    }

    /// SHA-256 of the client's TLS certificate, DER. Without it, it is what a
    /// [`ClientCertSha256`](super::ClientCertSha256) among the request's extensions says.
    #[must_use]
    pub fn client_cert(
        mut self,
        client_cert: impl Fn(&Parts) -> Option<[u8; 32]> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.rules).client_cert = Some(Arc::new(client_cert));
        self
    }

    /// An entry of this service's own context, for `context` caveats. With the key `presenter`, which is the verifier's alone, every
    /// request is answered with 503.
    #[must_use]
    pub fn context(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        rules.context.push((key.into(), value.into()));
        self
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = Verify<S>;

    fn layer(&self, inner: S) -> Verify<S> {
        Verify {
            inner,
            rules: Arc::clone(&self.rules),
        }
    }
}

impl<S, B, R> Service<Request<B>> for Verify<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Verifying<S::Future, Response<R>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        match self.rules.admit_at_once(&parts) {
            Some(Ok(caller)) => {
                admitted(&mut parts, caller, None);
                Verifying::passes(self.inner.call(Request::from_parts(parts, body)))
            }
            Some(Err(refusal)) => Verifying::answered(self.rules.refuse(&refusal, &parts)),
            None => {
                // The one that is ready has to be the one that is called.
                let fresh = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, fresh);
                let rules = Arc::clone(&self.rules);
                Verifying::waits(Box::pin(async move {
                    match rules.admit(&parts).await {
                        Ok((caller, forwarded)) => {
                            admitted(&mut parts, caller, forwarded);
                            inner.call(Request::from_parts(parts, body)).await
                        }
                        Err(refusal) => Ok(rules.refuse(&refusal, &parts)),
                    }
                }))
            }
        }
    }
}

/// What is known of a request beside what came with it.
struct Known<'r> {
    scope: Option<String>,
    source_addr: Option<Option<IpAddr>>,
    client_cert: Option<Option<[u8; 32]>>,
    context: Vec<(&'r str, &'r str)>,
}

impl Known<'_> {
    fn facts<'a>(&'a self, parts: &'a Parts) -> RequestFacts<'a> {
        let mut facts = facts::of(parts, self.scope.as_deref(), &self.context);
        if let Some(source_addr) = self.source_addr {
            facts.source_addr = source_addr;
        }
        if let Some(client_cert) = &self.client_cert {
            facts.client_cert_sha256 = client_cert.as_ref();
        }
        facts
    }
}

impl Rules {
    /// `None` where somebody has to be asked, or others are called for: see [`admit`](Self::admit).
    fn admit_at_once(&self, parts: &Parts) -> Option<Result<Caller, Refusal>> {
        if !self.verifier.is_in_process() || parts.headers.contains_key(FORWARDED) {
            return None;
        }
        let presentation = match presentation(parts) {
            Ok(presentation) => presentation,
            Err(refusal) => return Some(Err(refusal)),
        };
        let known = self.known(parts);
        let facts = known.facts(parts);
        self.verifier.verify_at_once(presentation, &facts)
    }

    async fn admit(&self, parts: &Parts) -> Result<(Caller, Option<Forwarded>), Refusal> {
        let presentation = presentation(parts)?;
        let known = self.known(parts);
        let facts = known.facts(parts);
        let values = parts.headers.get_all(FORWARDED);
        let header = ForwardHeader::read(values.iter().map(HeaderValue::as_bytes));
        let (caller, verdicts) = self
            .verifier
            .verify_request(presentation, header.as_ref(), &facts, &parts.headers)
            .await?;
        let forwarded = header.map(|header| Forwarded::new(&header, &caller, verdicts));
        Ok((caller, forwarded))
    }

    fn known(&self, parts: &Parts) -> Known<'_> {
        let context = self.context.iter();
        Known {
            scope: self.scope.as_ref().and_then(|of| of(parts)),
            source_addr: self.source_addr.as_ref().map(|of| of(parts)),
            client_cert: self.client_cert.as_ref().map(|of| of(parts)),
            context: context
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
        }
    }

    fn refuse<R: Default>(&self, refusal: &Refusal, parts: &Parts) -> Response<R> {
        self.report(refusal);
        refusal.response(self.verifier.service(), is_grpc(&parts.headers))
    }

    /// Strangers can send any number of requests while no agent answers.
    fn report(&self, refusal: &Refusal) {
        let Refusal::Unavailable(why) = refusal else {
            return;
        };
        if self.warning.is_time() {
            tracing::warn!(why, "requests are answered with 503");
        } else {
            tracing::debug!(why, "a request is answered with 503");
        }
    }
}

fn presentation(parts: &Parts) -> Result<&str, Refusal> {
    let headers = parts.headers.get_all(AUTHORIZATION);
    match authorization(headers.iter().map(|value| value.as_bytes())) {
        Authorization::Presentation(presentation) => Ok(presentation),
        Authorization::Absent => Err(Refusal::NoToken),
        Authorization::Malformed => Err(Refusal::of_code(cattery_core::Code::Malformed)),
    }
}

/// Tells the service who is calling, and nothing that a stranger says about it.
fn admitted(parts: &mut Parts, caller: Caller, forwarded: Option<Forwarded>) {
    clean(&mut parts.headers);
    let is_first = parts.extensions.is_empty();
    parts.extensions.insert(caller);
    match forwarded {
        Some(forwarded) => _ = parts.extensions.insert(forwarded),
        None if is_first => {}
        None => _ = parts.extensions.remove::<Forwarded>(),
    }
}

/// Takes away what looks like an agent's answer, and keeps the token out of logs further in.
fn clean(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| looks_like_ours(name.as_str()))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
    if let Some(value) = headers.get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
}

/// `x-cat-…`, also with underscores: some frameworks further in take them for the same.
fn looks_like_ours(name: &str) -> bool {
    name.get(..6).is_some_and(|start| {
        start
            .bytes()
            .zip(*b"x-cat-")
            .all(|(is, ours)| is == ours || (is, ours) == (b'_', b'-'))
    })
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    kind.and_then(|kind| kind.strip_prefix(b"application/grpc"))
        .is_some_and(|kind| kind.is_empty() || kind.starts_with(b"+"))
}
