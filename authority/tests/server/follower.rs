//! An agent's stream, by hand.

use cattery_proto::v1::service_keys_client::ServiceKeysClient;
use cattery_proto::v1::*;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, ReceiverKey};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// An outage budget that no test waits for.
pub(crate) const BUDGET: u64 = 3600;

/// What an agent does, without an agent.
pub(crate) struct Follower {
    receiver: ReceiverKey,
    beats: mpsc::Sender<FollowServiceKeysRequest>,
    answers: Streaming<FollowServiceKeysResponse>,
    beat: u64,
}

impl Follower {
    pub(crate) async fn start(channel: Channel, holds: Option<Position>) -> Result<Self, Status> {
        let receiver = ReceiverKey::generate().unwrap();
        let first = FollowServiceKeysRequest {
            beat: 1,
            holds,
            receiver_public_key: receiver.public_key(),
            outage_budget_seconds: BUDGET,
            look: false,
            version: "test".into(),
        };
        let (beats, answers) = open(channel, first).await?;
        Ok(Self {
            receiver,
            beats,
            answers,
            beat: 1,
        })
    }

    /// The next answer, whatever it is about.
    pub(crate) async fn next(&mut self) -> Result<FollowServiceKeysResponse, Status> {
        let answer = self.answers.message().await?;
        answer.ok_or_else(|| Status::cancelled("the stream ended"))
    }

    /// The next answer that has news.
    pub(crate) async fn news(&mut self) -> Result<ServiceNews, Status> {
        loop {
            if let Some(news) = self.next().await?.news {
                return Ok(news);
            }
        }
    }

    /// Sends a beat and waits for its answer.
    pub(crate) async fn beat(
        &mut self,
        holds: Option<Position>,
    ) -> Result<FollowServiceKeysResponse, Status> {
        self.beat += 1;
        let beat = FollowServiceKeysRequest {
            beat: self.beat,
            holds,
            look: true,
            ..Default::default()
        };
        let _ = self.beats.send(beat).await;
        loop {
            let answer = self.next().await?;
            if answer.beat == self.beat {
                return Ok(answer);
            }
        }
    }

    /// The keys that are in it: (epoch, generation, key).
    pub(crate) fn open(&self, news: &ServiceNews) -> Vec<(u32, u32, Vec<u8>)> {
        let sealed = news.keys.iter().filter(|key| key.sealed_key.is_some());
        sealed
            .map(|key| {
                let sealed = key.sealed_key.as_ref().unwrap();
                let bytes = self.receiver.open(INFO_SERVICE_KEY, sealed).unwrap();
                (key.epoch, key.generation, bytes.to_vec())
            })
            .collect()
    }
}

/// A stream with any first beat.
pub(crate) async fn open(
    channel: Channel,
    first: FollowServiceKeysRequest,
) -> Result<
    (
        mpsc::Sender<FollowServiceKeysRequest>,
        Streaming<FollowServiceKeysResponse>,
    ),
    Status,
> {
    let (beats, queue) = mpsc::channel(16);
    let _ = beats.send(first).await;
    let mut calls = ServiceKeysClient::new(channel);
    let answers = calls
        .follow_service_keys(ReceiverStream::new(queue))
        .await?;
    Ok((beats, answers.into_inner()))
}
