//! `VerifyStream`: many questions on one stream, and an answer for each of them, in order.
//!
//! Questions that have come are answered without a break, and the answers leave together: one frame takes all that are ready.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use cattery_proto::v1;
use tokio::sync::oneshot;
use tokio::task::coop;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Result, Status, Streaming};
use v1::verify_response::Result as Outcome;

use crate::agent::Agent;
use crate::grpc::verify;

/// The answers of one stream.
pub(super) type AnswerStream = Pin<Box<dyn Stream<Item = Result<v1::VerifyResponse>> + Send>>;

/// Answers until there are no more questions, or until `stop`.
pub(super) fn answers(
    agent: Arc<Agent>,
    metadata: MetadataMap,
    questions: Streaming<v1::VerifyRequest>,
    stop: CancellationToken,
) -> AnswerStream {
    let questions = Questions {
        asked: questions,
        stopping: Some(stopping(stop)),
    };
    // The stream's own: who answers one question shares a count with no other stream.
    let asked = Arc::new((agent, metadata));
    Box::pin(questions.then(move |question| {
        let asked = Arc::clone(&asked);
        async move {
            let (agent, metadata) = &*asked;
            let answer = verify::answer(agent, metadata, &question?).await;
            Ok(answer.unwrap_or_else(|bad| v1::VerifyResponse {
                result: Some(Outcome::Invalid(bad.to_string())),
                ..Default::default()
            }))
        }
    }))
}

/// What is asked, until the agent stops.
struct Questions {
    asked: Streaming<v1::VerifyRequest>,
    /// None once that was said.
    stopping: Option<oneshot::Receiver<Infallible>>,
}

impl Stream for Questions {
    type Item = Result<v1::VerifyRequest>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A client that never pauses gets what it asked for, and then others on this thread have their turn.
        let turn = ready!(coop::poll_proceed(context));
        let Some(stopping) = &mut self.stopping else {
            return Poll::Ready(None);
        };
        if Pin::new(stopping).poll(context).is_ready() {
            self.stopping = None;
            let why = "the agent stops: what has no answer was not looked at";
            return Poll::Ready(Some(Err(Status::unavailable(why))));
        }
        let question = ready!(Pin::new(&mut self.asked).poll_next(context));
        turn.made_progress();
        Poll::Ready(question)
    }
}

/// Ends when the agent stops. To look whether it does takes no lock, which to look at the token does.
fn stopping(stop: CancellationToken) -> oneshot::Receiver<Infallible> {
    let (mut open, stopping) = oneshot::channel();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = open.closed() => {}
        }
    });
    stopping
}
