//! Which requests can be sent a second time, after a token was refused for its key.

/// Makes a second body for a second try.
pub trait Replay<B>: Clone + Send + Sync + 'static {
    /// A body that equals `body`, or `None` where the request is sent once.
    fn replay(&self, body: &B) -> Option<B>;
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

impl<B> Replay<B> for NoReplay {
    fn replay(&self, _: &B) -> Option<B> {
        None
    }
}

impl<B: http_body::Body + Default> Replay<B> for EmptyBodies {
    fn replay(&self, body: &B) -> Option<B> {
        body.is_end_stream().then(B::default)
    }
}

impl<B: Clone> Replay<B> for ClonedBodies {
    fn replay(&self, body: &B) -> Option<B> {
        Some(body.clone())
    }
}
