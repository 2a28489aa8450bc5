//! Taking what is there of a body, without waiting: a unary call's message is, and a stream's end is not.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::{Status, body::Body};

/// The same body, and a second one where it ended within `limit` bytes.
pub(super) fn split(mut body: Body, limit: usize) -> (Body, Option<Body>) {
    let mut taken = VecDeque::new();
    let mut room = limit;
    // Whoever sends the body polls it again, with a waker of their own.
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(None) => {
                let again = data_alone(&taken).map(|taken| Taken { taken, rest: None });
                let first = Taken { taken, rest: None };
                return (Body::new(first), again.map(Body::new));
            }
            Poll::Ready(Some(frame)) => {
                let left = frame
                    .as_ref()
                    .ok()
                    .and_then(Frame::data_ref)
                    .and_then(|data| room.checked_sub(data.len()));
                taken.push_back(frame);
                match left {
                    Some(left) => room = left,
                    None => break,
                }
            }
            Poll::Pending => break,
        }
    }
    let rest = Some(body);
    (Body::new(Taken { taken, rest }), None)
}

type Frames = VecDeque<Result<Frame<Bytes>, Status>>;

fn data_alone(frames: &Frames) -> Option<Frames> {
    let data = frames.iter().map(|frame| frame.as_ref().ok()?.data_ref());
    data.map(|data| Some(Ok(Frame::data(data?.clone()))))
        .collect()
}

/// What was taken, and then the rest.
struct Taken {
    taken: Frames,
    rest: Option<Body>,
}

impl http_body::Body for Taken {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match (self.taken.pop_front(), &mut self.rest) {
            (Some(frame), _) => Poll::Ready(Some(frame)),
            (None, Some(rest)) => Pin::new(rest).poll_frame(context),
            (None, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(self.taken.iter().map(length).sum()),
        }
    }
}

fn length(frame: &Result<Frame<Bytes>, Status>) -> u64 {
    let data = frame.as_ref().ok().and_then(Frame::data_ref);
    data.map_or(0, |data| data.len() as u64)
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio_stream::{StreamExt as _, iter, pending};

    use super::*;

    fn frame(text: &'static str) -> Result<Frame<Bytes>, Status> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    async fn text(body: Body) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_short_body_that_is_there_is_sent_twice() {
        let body = Body::new(StreamBody::new(iter([frame("meow"), frame(" meow")])));
        let (first, again) = split(body, 9);
        assert_eq!(text(first).await, "meow meow");
        assert_eq!(text(again.unwrap()).await, "meow meow");
    }

    #[tokio::test]
    async fn a_long_one_is_sent_once_and_whole() {
        let body = Body::new(StreamBody::new(iter([frame("meow"), frame(" meow")])));
        let (first, again) = split(body, 8);
        assert!(again.is_none());
        assert_eq!(text(first).await, "meow meow");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_stream() {
        let stream = iter([frame("meow")]).chain(pending());
        let (mut first, again) = split(Body::new(StreamBody::new(stream)), 100);
        assert!(again.is_none());
        let frame = first.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "meow");
    }
}
