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

use super::{BufferedBodies, ClonedBodies, EmptyBodies, NoReplay, Replay, SignError, Signer};
use crate::{denial::asks_for_newer_keys, keys::MintError};

/// Signs every request. A token that the service refuses for its key (`retired_epoch`, `unknown_epoch`, `revoked`,
/// `key_expired`) has newer keys fetched, once for all requests; what can be sent again then is, once. Where the service passes on
/// such a refusal by a service further on that a [`Forward`](super::Forward) is for, newer keys are fetched for the next request.
#[derive(Clone)]
pub struct SignLayer<P = EmptyBodies> {
    signer: Signer,
    replay: P,
}

/// The service that [`SignLayer`] makes.
#[derive(Clone)]
pub struct Sign<S, P = EmptyBodies> {
    inner: S,
    signer: Signer,
    replay: P,
}

impl SignLayer {
    /// A layer that signs with `signer`. Requests without a body are sent again.
    pub fn new(signer: Signer) -> Self {
        Self {
            signer,
            replay: EmptyBodies,
        }
    }

    /// Every request is sent again; its body has to be `Clone`.
    #[must_use]
    pub fn replay_cloned(self) -> SignLayer<ClonedBodies> {
        self.replay(ClonedBodies)
    }

    /// For a tonic channel: calls are sent again whose request is at most `limit` bytes long and there as a whole when the call
    /// begins, as that of a unary call is. What streams is sent once.
    #[must_use]
    pub fn replay_buffered(self, limit: usize) -> SignLayer<BufferedBodies> {
        self.replay(BufferedBodies { limit })
    }

    /// Every request is sent once, whatever its body.
    #[must_use]
    pub fn send_once(self) -> SignLayer<NoReplay> {
        self.replay(NoReplay)
    }

    /// What `replay` can split is sent again.
    #[must_use]
    pub fn replay<P>(self, replay: P) -> SignLayer<P> {
        SignLayer {
            signer: self.signer,
            replay,
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready has to be the one that is called.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let signer = self.signer.clone();
        let (mut request, again) = split(request, &self.replay);
        let round = signer.client.round();
        // Signed before the future is polled: it takes microseconds, and `request` need not be `Sync`.
        let signed = signer.sign_noting_round(&mut request);
        Box::pin(async move {
            let round = match signed {
                // A computer that slept has old keys, and can have new ones at once.
                Err(SignError::Mint(MintError::KeyExpired { .. }))
                    if signer.client.newer_than(round).await =>
                {
                    signer.sign_when_vouched(&mut request).await?
                }
                Err(refused) => {
                    signer.wait_for_discharges(refused).await?;
                    // A token for a service further on may ask for others.
                    signer.sign_when_vouched(&mut request).await?
                }
                Ok(round) => round,
            };
            let response = inner.call(request).await.map_err(Into::into)?;
            if !asks_for_newer_keys(&response, &signer.service) {
                // Only fetched: what the called service has done by then is not to be done twice.
                if signer.goes_on_to(|service| asks_for_newer_keys(&response, service)) {
                    signer.client.want_newer_than(round);
                }
                return Ok(response);
            }
            let Some(mut again) = again else {
                signer.client.want_newer_than(round);
                return Ok(response);
            };
            if !signer.client.newer_than(round).await
                || signer.sign_when_vouched(&mut again).await.is_err()
            {
                return Ok(response);
            }
            drop(response); // what it holds of a pool or a limit may be what the second try waits for
            let inner = inner.ready().await.map_err(Into::into)?;
            inner.call(again).await.map_err(Into::into)
        })
    }
}

fn split<B>(request: Request<B>, replay: &impl Replay<B>) -> (Request<B>, Option<Request<B>>) {
    let (parts, body) = request.into_parts();
    let (body, again) = replay.split(body);
    let again = again.map(|body| Request::from_parts(parts.clone(), body));
    (Request::from_parts(parts, body), again)
}
