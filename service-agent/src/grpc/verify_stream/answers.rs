//! The answers of one stream, in the order of its questions.
//!
//! Questions that have come are answered some at a time. One that has to wait for somebody, or that says what few say, is answered alone.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use cattery_proto::v1;
use prost::Message as _;
use prost::bytes::BytesMut;
use tokio::sync::oneshot;
use tokio::task::coop;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Result, Status, Streaming};
use v1::verify_response::Result as Outcome;

use super::answer::{put_caller, put_denial};
use super::question::Usual;
use crate::agent::Agent;
use crate::clock::Moment;
use crate::decide_many::Asked;
use crate::decision::{Face, Question};
use crate::grpc::verify;
use cattery_telemetry::{REQUEST_ID, TRACEPARENT};

/// So many are answered together at most: the core verifies no more side by side.
const AT_ONCE: usize = 16;

/// Few answers are longer, in bytes.
const USUAL_ANSWER: usize = 256;

/// Answers until there are no more questions, or until the agent stops.
pub(super) struct Answers {
    call: Arc<Call>,
    questions: Streaming<Bytes>,
    stopping: oneshot::Receiver<Infallible>,
    /// Those that have come and have no answer yet.
    asked: VecDeque<Bytes>,
    /// Answers that have not left yet.
    answered: VecDeque<Bytes>,
    /// The answer to a question before all that are in `asked`.
    awaited: Option<Awaited>,
    /// No more questions come: the stream's last word, if it has one.
    end: Option<Option<Status>>,
    /// Room to write in, which is used again once what is in it has left.
    room: BytesMut,
    part: BytesMut,
}

type Awaited = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;

/// What all questions of a stream have in common.
struct Call {
    agent: Arc<Agent>,
    metadata: MetadataMap,
    request_id: Option<AsciiMetadataValue>,
    traceparent: Option<AsciiMetadataValue>,
}

impl Answers {
    pub(super) fn new(
        agent: Arc<Agent>,
        metadata: MetadataMap,
        questions: Streaming<Bytes>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            call: Arc::new(Call {
                agent,
                request_id: metadata.get(REQUEST_ID).cloned(),
                traceparent: metadata.get(TRACEPARENT).cloned(),
                metadata,
            }),
            questions,
            stopping: stopping(stop),
            asked: VecDeque::with_capacity(AT_ONCE),
            answered: VecDeque::with_capacity(AT_ONCE),
            awaited: None,
            end: None,
            room: BytesMut::new(),
            part: BytesMut::new(),
        }
    }
}

impl Stream for Answers {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(answer) = this.answered.pop_front() {
                return Poll::Ready(Some(Ok(answer)));
            }
            if let Some(awaited) = &mut this.awaited {
                let answer = ready!(awaited.as_mut().poll(context));
                this.awaited = None;
                return Poll::Ready(Some(answer));
            }
            if this.asked.is_empty() {
                if let Some(last) = &mut this.end {
                    return Poll::Ready(last.take().map(Err));
                }
                ready!(this.gather(context));
            }
            this.answer();
        }
    }
}

impl Answers {
    /// Takes questions that have come, or the end.
    fn gather(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.stopping).poll(context).is_ready() {
            let why = "the agent stops: what has no answer was not looked at";
            self.end = Some(Some(Status::unavailable(why)));
        }
        while self.end.is_none() && self.asked.len() < AT_ONCE {
            // A client that never pauses gets what it asked for, and then others on this thread have their turn.
            let Poll::Ready(turn) = coop::poll_proceed(context) else {
                break;
            };
            let Poll::Ready(question) = Pin::new(&mut self.questions).poll_next(context) else {
                break;
            };
            turn.made_progress();
            match question {
                Some(Ok(question)) => self.asked.push_back(question),
                Some(Err(status)) => self.end = Some(Some(status)),
                None => self.end = Some(None),
            }
        }
        if self.asked.is_empty() && self.end.is_none() {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Answers the first ones of those that have come: all that can be answered at once, or else one.
    fn answer(&mut self) {
        let now = Moment::now();
        let mut usual = Vec::with_capacity(AT_ONCE);
        usual.extend(self.asked.iter().map_while(|one| self.call.read(now, one)));
        if usual.is_empty() {
            if let Some(question) = self.asked.pop_front() {
                let call = Arc::clone(&self.call);
                self.awaited = Some(Box::pin(async move { call.answer(question).await }));
            }
            return;
        }
        let (agent, part, room) = (&self.call.agent, &mut self.part, &mut self.room);
        room.reserve(AT_ONCE * USUAL_ANSWER);
        agent.decide_many(now, Face::Grpc, &usual, |question, decided| {
            match decided {
                Ok(token) => put_caller(token, question.id, part, room),
                Err(verdict) => put_denial(verdict, question.id, part, room),
            }
            self.answered.push_back(room.split().freeze());
        });
        let count = usual.len();
        self.asked.drain(..count);
    }
}

impl Call {
    /// Reads a question that came `now`, if it can be answered at once.
    fn read<'a>(&'a self, now: Moment, question: &'a [u8]) -> Option<Asked<'a>> {
        let read = Usual::read(question)?;
        let facts = read.facts().ok()?;
        let request_id = told(read.request_id, self.request_id.as_ref());
        let traceparent = told(read.traceparent, self.traceparent.as_ref());
        let question = Question::asked_at(now, Face::Grpc, facts, request_id, traceparent);
        let is_usual = self.agent.waits_for_nobody(&question);
        is_usual.then_some((question, read.presentation))
    }

    /// Answers any question.
    async fn answer(&self, question: Bytes) -> Result<Bytes> {
        let question = v1::VerifyRequest::decode(question)
            .map_err(|error| Status::internal(error.to_string()))?;
        let answer = verify::answer(&self.agent, &self.metadata, &question).await;
        let answer = answer.unwrap_or_else(|bad| v1::VerifyResponse {
            result: Some(Outcome::Invalid(bad.to_string())),
            ..Default::default()
        });
        Ok(answer.encode_to_vec().into())
    }
}

/// What the question says itself, or the call.
fn told<'a>(own: &'a str, of_call: Option<&'a AsciiMetadataValue>) -> Option<&'a [u8]> {
    if own.is_empty() {
        of_call.map(AsciiMetadataValue::as_encoded_bytes)
    } else {
        Some(own.as_bytes())
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
