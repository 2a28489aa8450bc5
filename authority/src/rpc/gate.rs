//! What every call passes first: it gets its id, its span and its time, or is turned away.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cattery_telemetry::{TRACEPARENT, TraceParent};
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::{Span, field::Empty};

use super::access::access;
use super::call::{Arrived, Border};
use super::caller::is_somebody;
use crate::act::random;
use crate::cluster::Shared;
use crate::peer::Peer;

/// How long one call may take, from its headers to its answer. The clients' own limit is 20 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for reading an audit log of years.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(600);

/// The header of answers that names the call, as the log and the audit log do.
const REQUEST_ID: &str = "x-request-id";

/// Wraps services in a [`Gate`].
#[derive(Clone)]
pub(crate) struct GateLayer(Arc<Border>);

impl GateLayer {
    pub(crate) fn new(authority: Shared) -> Self {
        Self(Arc::new(Border::new(authority)))
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        let border = self.0.clone();
        Gate { inner, border }
    }
}

/// Turns away what the table does not have, and whoever shows nothing where something has to be shown, before anything is
/// read or waited for. What is shown is checked once the call is there: [`serve`](super::call::serve).
#[derive(Clone)]
pub(crate) struct Gate<S> {
    inner: S,
    border: Arc<Border>,
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
        let border = self.border.clone();
        let request_id = random::<8>().map_or_else(|_| "-".to_owned(), hex::encode);
        let span = tracing::info_span!("call", request_id, path = request.uri().path());
        let traced = traced(&request_id, &request);
        let answer = async move {
            let (mut head, body) = request.into_parts();
            let mut response = match look(border, &request_id, &head) {
                Ok(arrived) => {
                    let limit = limit(&arrived.path);
                    head.extensions.insert(arrived.clone());
                    match timeout(limit, inner.call(Request::from_parts(head, body))).await {
                        Ok(response) => response?,
                        Err(_) => arrived.too_late().into_http(),
                    }
                }
                Err(status) => status.into_http(),
            };
            tracing::debug!("answered");
            let status = response.headers().get("grpc-status");
            if let Some(status) = status.and_then(|status| status.to_str().ok()) {
                traced.record("rpc.grpc.status_code", status);
            }
            if let Ok(id) = HeaderValue::from_str(&request_id) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        };
        Box::pin(answer.instrument(span))
    }
}

/// The call's span for a collector; none where nobody wants one.
fn traced<B>(request_id: &str, request: &Request<B>) -> Span {
    let parent = request.headers().get(TRACEPARENT);
    let parent = parent.and_then(|value| TraceParent::read(value.as_bytes()));
    if !cattery_telemetry::is_traced(parent.as_ref()) {
        return Span::none();
    }
    let path = request.uri().path();
    let span = tracing::info_span!(
        target: cattery_telemetry::TARGET,
        "call",
        otel.kind = "server",
        otel.name = path.trim_start_matches('/'),
        rpc.system = "grpc",
        rpc.grpc.status_code = Empty,
        request_id,
    );
    if let Some(parent) = &parent {
        cattery_telemetry::set_parent(&span, parent);
    }
    span
}

fn look(border: Arc<Border>, request_id: &str, head: &Parts) -> Result<Arrived, Status> {
    let path = head.uri.path();
    let access =
        access(path).ok_or_else(|| Status::new(Code::Unimplemented, "there is no such method"))?;
    let arrived = Arrived {
        border,
        access,
        path: path.to_owned(),
        request_id: request_id.to_owned(),
        peer: head.extensions.get::<Peer>().cloned(),
    };
    match is_somebody(access, arrived.certificate(), &head.headers) {
        Ok(()) => Ok(arrived),
        Err(failure) => Err(arrived.fail(failure)),
    }
}

fn limit(path: &str) -> Duration {
    match path {
        "/cattery.v1.Admin/VerifyAudit" => VERIFY_TIMEOUT,
        _ => CALL_TIMEOUT,
    }
}
