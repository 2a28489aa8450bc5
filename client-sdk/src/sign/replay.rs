//! Which requests can be sent a second time, after a token was refused for its key.

use super::buffered;

/// Makes a second body for a second try.
pub trait Replay<B>: Clone + Send + Sync + 'static {
    /// The body to send, and one that equals it; `None` where the request is sent once.
    fn split(&self, body: B) -> (B, Option<B>);
}

/// Every request is sent once. Newer keys are fetched all the same, for the next one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReplay;

/// Requests without a body are sent again.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyBodies;

/// Every request is sent again: a clone of its body is kept until the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClonedBodies;

/// Requests of tonic's are sent again whose body is there as a whole when the call begins, and not too long: unary calls.
#[derive(Clone, Copy, Debug)]
pub struct BufferedBodies {
    pub(super) limit: usize,
}

impl<B> Replay<B> for NoReplay {
    fn split(&self, body: B) -> (B, Option<B>) {
        (body, None)
    }
}

impl<B: http_body::Body + Default> Replay<B> for EmptyBodies {
    fn split(&self, body: B) -> (B, Option<B>) {
        let again = body.is_end_stream().then(B::default);
        (body, again)
    }
}

impl<B: Clone> Replay<B> for ClonedBodies {
    fn split(&self, body: B) -> (B, Option<B>) {
        (body.clone(), Some(body))
    }
}

impl Replay<tonic::body::Body> for BufferedBodies {
    fn split(&self, body: tonic::body::Body) -> (tonic::body::Body, Option<tonic::body::Body>) {
        buffered::split(body, self.limit)
    }
}
