//! Signing in a tower stack.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::{BoxError, ServiceExt as _};
use tower_layer::Layer;
use tower_service::Service;

use super::{ClonedBodies, EmptyBodies, NoReplay, Replay, Signer};
use crate::denial::asks_for_newer_keys;

/// Signs every request. A token that is refused for its key (`retired_epoch`, `unknown_epoch`, `revoked`, `key_expired`) has
/// newer keys fetched, once for all requests; what can be sent again then is, once.
#[derive(Clone)]
pub struct SignLayer<P = NoReplay> {
    signer: Signer,
    replay: P,
}

/// The service that [`SignLayer`] makes.
#[derive(Clone)]
pub struct Sign<S, P = NoReplay> {
    inner: S,
    signer: Signer,
    replay: P,
}

impl SignLayer {
    /// A layer that signs with `signer` and sends every request once.
    pub fn new(signer: Signer) -> Self {
        Self {
            signer,
            replay: NoReplay,
        }
    }

    /// Requests without a body are sent again.
    #[must_use]
    pub fn replay_empty(self) -> SignLayer<EmptyBodies> {
        SignLayer {
            signer: self.signer,
            replay: EmptyBodies,
        }
    }

    /// Every request is sent again; its body has to be `Clone`.
    #[must_use]
    pub fn replay_cloned(self) -> SignLayer<ClonedBodies> {
        SignLayer {
            signer: self.signer,
            replay: ClonedBodies,
        }
    }
}

impl<S, P: Clone> Layer<S> for SignLayer<P> {
    type Service = Sign<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Sign {
            inner,
            signer: self.signer.clone(),
            replay: self.replay.clone(),
        }
    }
}

impl<S, P, B, R> Service<Request<B>> for Sign<S, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    P: Replay<B>,
    B: Send + 'static,
    R: Send,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready has to be the one that is called.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let signer = self.signer.clone();
        let again = self.replay.replay(request.body()).map(|body| {
            let mut again = Request::new(body);
            *again.method_mut() = request.method().clone();
            *again.uri_mut() = request.uri().clone();
            *again.version_mut() = request.version();
            *again.headers_mut() = request.headers().clone();
            *again.extensions_mut() = request.extensions().clone();
            again
        });
        // Signed before the future is polled: it takes microseconds, and `request` need not be `Sync`.
        let signed = signer.sign_noting_round(&mut request);
        Box::pin(async move {
            let round = signed?;
            let response = inner.call(request).await.map_err(Into::into)?;
            if !asks_for_newer_keys(response.headers()) {
                return Ok(response);
            }
            let Some(mut again) = again else {
                signer.client.want_newer_than(round);
                return Ok(response);
            };
            if !signer.client.newer_than(round).await {
                return Ok(response);
            }
            signer.sign(&mut again)?;
            let inner = inner.ready().await.map_err(Into::into)?;
            inner.call(again).await.map_err(Into::into)
        })
    }
}
