//! Carrying on what a caller brought along, in a tower stack.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::verify::Forwarded;

/// Puts `x-cat-forward` into outgoing requests that have the [`Forwarded`] of an incoming one among their extensions. It is for a
/// service that calls another for whoever called it; it signs nothing, so it stands beside a [`SignLayer`](super::SignLayer).
#[derive(Clone, Copy, Debug, Default)]
pub struct CarryForwardLayer;

/// The service that [`CarryForwardLayer`] makes.
#[derive(Clone, Copy, Debug)]
pub struct CarryForward<S> {
    inner: S,
}

impl<S> Layer<S> for CarryForwardLayer {
    type Service = CarryForward<S>;

    fn layer(&self, inner: S) -> CarryForward<S> {
        CarryForward { inner }
    }
}

impl<S, B> Service<Request<B>> for CarryForward<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(forwarded) = request.extensions_mut().remove::<Forwarded>() {
            forwarded.carry_on(request.headers_mut());
        }
        self.inner.call(request)
    }
}
