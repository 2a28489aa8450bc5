//! What every call passes first: it gets its id, its span and its caller, or is turned away.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{HeaderValue, Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::access::{Access, access};
use super::call::Call;
use super::caller::Caller;
use crate::act::{Act, random};
use crate::audit::Action;
use crate::cluster::Shared;
use crate::failure::Failure;
use crate::peer::Peer;

/// Most calls that are worked on at the same time. The rest waits its turn, up to its timeout.
const MAX_CALLS: usize = 512;
/// Most of those that anybody may make, without a certificate or an API key: strangers wait for each other, and for nobody else.
const MAX_CALLS_OF_STRANGERS: usize = 64;

/// The header of answers that names the call, as the log and the audit log do.
const REQUEST_ID: &str = "x-request-id";

/// Wraps services in a [`Gate`].
#[derive(Clone)]
pub(crate) struct GateLayer {
    authority: Shared,
    calls: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl GateLayer {
    pub(crate) fn new(authority: Shared) -> Self {
        Self {
            authority,
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
            strangers: Arc::new(Semaphore::new(MAX_CALLS_OF_STRANGERS)),
        }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            authority: self.authority.clone(),
            calls: self.calls.clone(),
            strangers: self.strangers.clone(),
        }
    }
}

/// Lets in whom the table lets in.
#[derive(Clone)]
pub(crate) struct Gate<S> {
    inner: S,
    authority: Shared,
    calls: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone that was polled ready is the one to call.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let authority = self.authority.clone();
        let calls = match access(request.uri().path()) {
            Some(Access::Anyone) | None => self.strangers.clone(),
            Some(_) => self.calls.clone(),
        };
        let request_id = random::<8>().map_or_else(|_| "-".to_owned(), hex::encode);
        let span = tracing::info_span!("call", request_id, path = request.uri().path());
        let answer = async move {
            let _turn = calls.acquire().await;
            let (mut head, body) = request.into_parts();
            let mut response = match admit(&authority, &request_id, &head).await {
                Ok(call) => {
                    head.extensions.insert(call);
                    inner.call(Request::from_parts(head, body)).await?
                }
                Err(status) => status.into_http(),
            };
            tracing::debug!("answered");
            if let Ok(id) = HeaderValue::from_str(&request_id) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        };
        Box::pin(answer.instrument(span))
    }
}

async fn admit(authority: &Shared, request_id: &str, head: &Parts) -> Result<Call, Status> {
    let access = access(head.uri.path())
        .ok_or_else(|| Status::new(Code::Unimplemented, "there is no such method"))?;
    let peer = head.extensions.get::<Peer>();
    let certificate = peer.and_then(|peer| peer.certificate.as_ref());
    let mut act = Act::new(request_id.to_owned(), String::new());
    let registry = &authority.registry;
    match Caller::admit(registry, access, certificate, &head.headers, act.now()).await {
        Ok(caller) => {
            act.actor = caller.actor();
            Ok(Call {
                act,
                caller: Arc::new(caller),
            })
        }
        Err(failure) => {
            let from = peer.map(|peer| peer.address);
            tracing::info!(?from, "turned away");
            let denied = turned_away(authority, act, access, head, failure).await;
            Err(denied.into_status(request_id))
        }
    }
}

/// Someone who is known and tried what they may not goes into the audit log. Strangers do not: they could fill the disk.
async fn turned_away(
    authority: &Shared,
    mut act: Act,
    access: Access,
    head: &Parts,
    failure: Failure,
) -> Failure {
    let peer = head.extensions.get::<Peer>();
    let certificate = peer.and_then(|peer| peer.certificate.as_ref());
    let (Failure::Denied(_), Access::Role(_), Some(certificate)) = (&failure, access, certificate)
    else {
        return failure;
    };
    act.actor = certificate.subject().to_string();
    let event = act.event(Action::AccessDenied, head.uri.path());
    match authority.registry.audit().append(event).await {
        Ok(_) => failure,
        Err(error) => error.into(),
    }
}
