//! A call whose headers are there and whose message is not.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::uri::PathAndQuery;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// A call that waits for its message.
pub(crate) struct Withheld<Q, A> {
    message: oneshot::Sender<Q>,
    answer: JoinHandle<Result<A, Status>>,
}

/// Begins a call. The authority has its headers when this returns.
pub(crate) async fn withhold<Q, A>(
    channel: &Channel,
    path: &'static str,
    authorization: Option<&str>,
) -> Withheld<Q, A>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let (begun, has_begun) = oneshot::channel();
    let (message, waiting) = oneshot::channel();
    let mut request = Request::new(Body {
        begun: Some(begun),
        message: Some(waiting),
    });
    if let Some(value) = authorization {
        let value = value.parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    let answer = tokio::spawn(async move {
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        let answer = grpc.client_streaming(request, path, codec).await;
        answer.map(tonic::Response::into_inner)
    });
    // The body is asked for once the headers are on their way, and what is sent later on the same connection comes later.
    has_begun.await.unwrap();
    health(channel).await;
    Withheld { message, answer }
}

/// Any call that anybody may make.
pub(crate) async fn health(channel: &Channel) {
    let request = HealthCheckRequest::default();
    HealthClient::new(channel.clone())
        .check(request)
        .await
        .unwrap();
}

impl<Q, A> Withheld<Q, A> {
    /// Sends the message after all.
    pub(crate) async fn send(self, message: Q) -> Result<A, Status> {
        assert!(self.message.send(message).is_ok(), "the call has ended");
        self.answer.await.unwrap()
    }

    /// What comes without it.
    pub(crate) async fn never_send(self) -> Result<A, Status> {
        let answer = self.answer.await.unwrap();
        drop(self.message);
        answer
    }
}

struct Body<Q> {
    begun: Option<oneshot::Sender<()>>,
    message: Option<oneshot::Receiver<Q>>,
}

impl<Q> Stream for Body<Q> {
    type Item = Q;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Q>> {
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(());
        }
        let Some(message) = &mut self.message else {
            return Poll::Ready(None);
        };
        let message = ready!(Pin::new(message).poll(cx)).ok();
        self.message = None;
        Poll::Ready(message)
    }
}
