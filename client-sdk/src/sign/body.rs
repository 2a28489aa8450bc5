//! Having tokens bound to bodies: reading a body whole before it is signed for and sent.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::BoxError;
use tower_layer::Layer;
use tower_service::Service;

use super::SignError;
use crate::body::{BodySha256, NotWhole, whole};

/// Holds each body until all of it is there, and sets [`BodySha256`] for the [`SignLayer`](super::SignLayer) inside it. A body of more than
/// `limit` bytes is not sent, whether it says its length or streams: no more than that is ever held of one. Trailers are dropped: no token
/// covers them.
///
/// The verifier has to know the body, too: [`verify::DigestBodyLayer`](crate::verify::DigestBodyLayer) is this layer's other half.
#[derive(Clone, Copy, Debug)]
pub struct DigestBodyLayer {
    limit: usize,
}

/// The service that [`DigestBodyLayer`] makes.
#[derive(Clone, Debug)]
pub struct DigestBody<S> {
    inner: S,
    limit: usize,
}

impl DigestBodyLayer {
    /// Bodies of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for DigestBodyLayer {
    type Service = DigestBody<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DigestBody {
            inner,
            limit: self.limit,
        }
    }
}

impl<S, B, R> Service<Request<B>> for DigestBody<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + From<Bytes> + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
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
        let limit = self.limit;
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let body = whole(body, limit).await.map_err(|why| match why {
                NotWhole::TooLong => SignError::BodyTooLong { limit }.into(),
                NotWhole::Broken(error) => error,
            })?;
            parts.extensions.insert(BodySha256::of(&body));
            let request = Request::from_parts(parts, body.into());
            inner.call(request).await.map_err(Into::into)
        })
    }
}
