//! One agent: a stream, beats as the authority wants them, keys that are acknowledged at once, and another stream when it breaks.
//!
//! As `service-agent/src/follow` has it, without files, faces and locked memory.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cattery_proto::v1::{self, service_keys_client::ServiceKeysClient};
use cattery_sdk::sealing::ReceiverKey;
use tokio::{
    sync::mpsc,
    time::{sleep, sleep_until, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{
    attempts::{Refused, Tally},
    held::Held,
    pace::{Pace, beat_after},
    seen::Seen,
    way::Way,
};
use crate::moment;

/// As an agent has it that nobody configured otherwise.
const OUTAGE_BUDGET: Duration = Duration::from_secs(12 * 3_600);
/// How long a beat may stay without an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Beats that wait for the connection.
const MOST_WAITING: usize = 32;

/// An agent that has enrolled.
pub(super) struct Agent {
    way: Way,
    service: String,
    tally: Arc<Tally>,
    seen: Mutex<Seen>,
}

/// A stream that is open.
struct Stream {
    beats: mpsc::Sender<v1::FollowServiceKeysRequest>,
    receiver: ReceiverKey,
    /// The last beat.
    sent: u64,
    /// Beats without an answer, and when each of them left.
    open: VecDeque<(u64, Instant)>,
}

impl Agent {
    pub(super) fn new(way: Way, service: String, tally: Arc<Tally>) -> Self {
        Self {
            way,
            service,
            tally,
            seen: Mutex::default(),
        }
    }

    /// What is noted of it.
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows its keys until it is dropped. It begins with none, as after a start.
    pub(super) async fn run(self: Arc<Self>) {
        let (mut pace, mut held) = (Pace::default(), Held::default());
        *self.seen() = Seen::default();
        loop {
            let opened = Instant::now();
            self.tally.begun();
            let Err(refused) = self.follow(&mut held).await;
            self.seen().lost();
            self.tally.refused(refused);
            sleep(pace.over(opened.elapsed())).await;
        }
    }

    async fn follow(&self, held: &mut Held) -> Result<Infallible, Refused> {
        let (mut stream, waiting) = Stream::new(held)?;
        let mut client = ServiceKeysClient::new(self.way.channel());
        let opened = client.follow_service_keys(ReceiverStream::new(waiting));
        let opened = timeout_at((Instant::now() + PATIENCE).into(), opened).await;
        let opened = opened.map_err(|_| silent())?;
        let mut answers = opened.map_err(|status| Refused::of(&status))?.into_inner();
        let mut beat_due = None;
        loop {
            tokio::select! {
                biased;
                answer = answers.message() => {
                    let after = self.hear(&mut stream, held, answer)?;
                    beat_due = Some(Instant::now() + beat_after(after));
                }
                () = passed(stream.deadline()) => return Err(silent()),
                () = passed(beat_due) => {
                    stream.beat(held)?;
                    beat_due = None; // the answer says when the next one is
                }
            }
        }
    }

    /// Takes an answer, acknowledges news, and gives after how many seconds the next beat is wanted.
    fn hear(
        &self,
        stream: &mut Stream,
        held: &mut Held,
        answer: Result<Option<v1::FollowServiceKeysResponse>, Status>,
    ) -> Result<u32, Refused> {
        let answer = answer.map_err(|status| Refused::of(&status))?;
        let answer = answer.ok_or_else(|| Refused::ForGood("it says no more".to_owned()))?;
        stream.answered(answer.beat);
        if let Some(news) = &answer.news {
            held.take(news, &self.service, &stream.receiver)
                .map_err(Refused::ForGood)?;
            stream.beat(held)?;
        }
        let newest = held.newest();
        let newest = newest.ok_or_else(|| Refused::ForGood("it sent no keys".to_owned()))?;
        let now = moment::now();
        let mut seen = self.seen();
        seen.answered(newest, now);
        if let Some(position) = held.position.filter(|_| stream.open.is_empty()) {
            seen.acknowledged((position.incarnation, position.sequence), now);
        }
        Ok(answer.beat_after_seconds)
    }
}

impl Stream {
    /// With its first beat, and the beats on their way.
    fn new(held: &Held) -> Result<(Self, mpsc::Receiver<v1::FollowServiceKeysRequest>), Refused> {
        let receiver = ReceiverKey::generate();
        let receiver = receiver.map_err(|error| Refused::ForGood(error.to_string()))?;
        let (beats, waiting) = mpsc::channel(MOST_WAITING);
        let mut stream = Self {
            beats,
            receiver,
            sent: 0,
            open: VecDeque::new(),
        };
        let first = v1::FollowServiceKeysRequest {
            receiver_public_key: stream.receiver.public_key(),
            outage_budget_seconds: OUTAGE_BUDGET.as_secs(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        stream.send(first, held)?;
        Ok((stream, waiting))
    }

    fn beat(&mut self, held: &Held) -> Result<(), Refused> {
        self.send(v1::FollowServiceKeysRequest::default(), held)
    }

    fn send(&mut self, beat: v1::FollowServiceKeysRequest, held: &Held) -> Result<(), Refused> {
        self.sent += 1;
        self.open.push_back((self.sent, Instant::now()));
        let beat = v1::FollowServiceKeysRequest {
            beat: self.sent,
            holds: held.position,
            ..beat
        };
        match self.beats.try_send(beat) {
            // The answers say how a stream ended that takes no more.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(silent()),
        }
    }

    fn answered(&mut self, beat: u64) {
        while self.open.front().is_some_and(|(open, _)| *open <= beat) {
            self.open.pop_front();
        }
    }

    /// When patience with the authority ends.
    fn deadline(&self) -> Option<Instant> {
        self.open.front().map(|(_, left)| *left + PATIENCE)
    }
}

fn silent() -> Refused {
    Refused::ForNow("a beat had no answer in time".to_owned())
}

/// Waits until then, or for ever.
async fn passed(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
