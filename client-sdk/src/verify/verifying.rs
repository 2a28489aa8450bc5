//! What becomes of a request, as a future.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

pin_project! {
    /// The future of [`Verify`](super::Verify): the service's own, where nobody has to be asked about the token.
    pub struct Verifying<F, R, E> {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, R, E> {
        Passes { #[pin] answer: F },
        Answered { answer: Option<R> },
        Waits { answer: Waiting<R, E> },
    }
}

pub(super) type Waiting<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<F, R, E> Verifying<F, R, E> {
    /// The token is good, and the service answers.
    pub(super) fn passes(answer: F) -> Self {
        let state = State::Passes { answer };
        Self { state }
    }

    /// The layer answers.
    pub(super) fn answered(answer: R) -> Self {
        let answer = Some(answer);
        let state = State::Answered { answer };
        Self { state }
    }

    /// Nobody can tell yet.
    pub(super) fn waits(answer: Waiting<R, E>) -> Self {
        let state = State::Waits { answer };
        Self { state }
    }
}

impl<F, R, E> Future for Verifying<F, R, E>
where
    F: Future<Output = Result<R, E>>,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Passes { answer } => answer.poll(context),
            Projected::Waits { answer } => answer.as_mut().poll(context),
            Projected::Answered { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => Poll::Pending, // it was ready before
            },
        }
    }
}
