//! Reading a body whole before the token is verified, for tokens that are bound to it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use cattery_core::{Authorization, authorization};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body::Body;
use tower::BoxError;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{BodySha256, NotWhole, whole};

/// Buffers each body and sets [`BodySha256`] for the [`VerifyLayer`](super::VerifyLayer) inside it. Strangers make it buffer as
/// well, with anything that looks like a token: keep the limit low. A longer body is answered with 413, one that breaks off with 400. Trailers are
/// dropped: no token covers them.
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

    fn layer(&self, inner: S) -> DigestBody<S> {
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
    B: Body + From<Bytes> + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let limit = self.limit;
        Box::pin(async move {
            if !has_token(request.headers()) {
                return inner.call(request).await;
            }
            let (mut parts, body) = request.into_parts();
            match whole(body, limit).await {
                Ok(body) => {
                    parts.extensions.insert(BodySha256::of(&body));
                    inner.call(Request::from_parts(parts, body.into())).await
                }
                Err(NotWhole::TooLong) => Ok(refuse(StatusCode::PAYLOAD_TOO_LARGE)),
                Err(NotWhole::Broken(_)) => Ok(refuse(StatusCode::BAD_REQUEST)),
            }
        })
    }
}

fn has_token(headers: &HeaderMap) -> bool {
    let values = headers.get_all(AUTHORIZATION).iter();
    matches!(
        authorization(values.map(HeaderValue::as_bytes)),
        Authorization::Presentation(_)
    )
}

fn refuse<R: Default>(status: StatusCode) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = status;
    response
}
