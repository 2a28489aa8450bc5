//! One stream to one authority: beats out, answers in.

use std::pin::Pin;
use std::time::{Duration, Instant};

use cattery_proto::v1;
use cattery_sdk::sealing::ReceiverKey;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::beats::Beats;
use super::broken::Broken;
use crate::clock::Moment;
use crate::link::Way;
use crate::state::Mark;

/// Beats that wait for the connection. Each one has to be answered soon, so there are never many.
const MOST_WAITING: usize = 32;
/// Of those, how many acknowledgements may take: in a storm of news there are more of them than a connection takes at once.
const MOST_ACKNOWLEDGEMENTS: usize = MOST_WAITING / 2;

/// What an agent says first.
pub(super) struct First {
    pub(super) holds: Option<Mark>,
    pub(super) look: bool,
    pub(super) outage_budget_seconds: u64,
}

/// An open stream, or one that is being opened.
pub(super) struct Stream {
    way: Way,
    requests: mpsc::Sender<v1::FollowServiceKeysRequest>,
    answers: Answers,
    pub(super) receiver: ReceiverKey,
    pub(super) beats: Beats,
    /// What the last beat said.
    pub(super) told: Option<Mark>,
    /// The look that is not answered yet.
    pub(super) look: Option<u64>,
    /// From one beat to the next, as the authority wants it.
    pub(super) period: Duration,
    /// When the next beat is due: not before the first answer.
    pub(super) beat_due: Option<Instant>,
}

type Opening = dyn Future<Output = tonic::Result<Streaming<v1::FollowServiceKeysResponse>>> + Send;

enum Answers {
    Opening(Pin<Box<Opening>>),
    Open(Box<Streaming<v1::FollowServiceKeysResponse>>),
}

impl Stream {
    /// Sends the first beat. Nothing is connected before [`next`](Self::next) is polled.
    pub(super) fn open(way: Way, first: &First) -> Result<Self, Broken> {
        let receiver = ReceiverKey::generate()?;
        let (requests, waiting) = mpsc::channel(MOST_WAITING);
        let answers = Answers::Opening(Box::pin(way.follow(ReceiverStream::new(waiting))));
        let mut stream = Self {
            way,
            requests,
            answers,
            receiver,
            beats: Beats::new(Duration::from_secs(first.outage_budget_seconds)),
            told: None,
            look: None,
            period: Duration::ZERO,
            beat_due: None,
        };
        let request = v1::FollowServiceKeysRequest {
            receiver_public_key: stream.receiver.public_key(),
            outage_budget_seconds: first.outage_budget_seconds,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        stream.send(request, first.holds, first.look)?;
        Ok(stream)
    }

    /// Sends a beat.
    pub(super) fn beat(&mut self, holds: Option<Mark>, look: bool) -> Result<(), Broken> {
        self.send(v1::FollowServiceKeysRequest::default(), holds, look)
    }

    /// Whether the connection takes an acknowledgement now.
    pub(super) fn has_room(&self) -> bool {
        self.requests.capacity() >= MOST_ACKNOWLEDGEMENTS
    }

    /// Waits until it does.
    pub(super) fn room(&self) -> impl Future<Output = ()> + use<> {
        let requests = self.requests.clone();
        async move {
            if requests.reserve_many(MOST_ACKNOWLEDGEMENTS).await.is_err() {
                std::future::pending::<()>().await; // the answers say how a stream ended that takes no more
            }
        }
    }

    fn send(
        &mut self,
        request: v1::FollowServiceKeysRequest,
        holds: Option<Mark>,
        look: bool,
    ) -> Result<(), Broken> {
        let beat = self.beats.next(Moment::now());
        if look {
            self.look = Some(beat);
        }
        self.told = holds;
        let request = v1::FollowServiceKeysRequest {
            beat,
            holds: holds.map(|mark| mark.position.into()),
            look,
            ..request
        };
        match self.requests.try_send(request) {
            // The answers say how a stream ended that takes no more.
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(Broken::Stuck),
        }
    }

    /// The next answer. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<v1::FollowServiceKeysResponse, Broken> {
        loop {
            match &mut self.answers {
                Answers::Opening(opening) => match opening.as_mut().await {
                    Ok(open) => self.answers = Answers::Open(Box::new(open)),
                    Err(status) => return Err(self.ended(&status)),
                },
                Answers::Open(open) => {
                    return match open.message().await {
                        Ok(Some(answer)) => Ok(answer),
                        Ok(None) => Err(Broken::Stops("it says no more".to_owned())),
                        Err(status) => Err(self.ended(&status)),
                    };
                }
            }
        }
    }

    /// Whoever connects next begins with another authority.
    pub(super) fn avoid(&self) {
        self.way.avoid();
    }

    fn ended(&self, status: &Status) -> Broken {
        let why = self.way.explain(status);
        // With a source it is this side's word for a connection that broke.
        let is_authoritys = std::error::Error::source(status).is_none();
        if status.code() == Code::Unavailable && is_authoritys {
            Broken::Stops(why.0)
        } else {
            Broken::Call(why)
        }
    }
}
