//! Streams of questions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use cattery_proto::v1::{VerifyRequest, agent_client::AgentClient, verify_response};
use tokio::{task::JoinSet, time::sleep};
use tonic::transport::Channel;

use super::{
    load::{Load, Took},
    place::{Place, Side},
    questions::InTurn,
};

/// So many streams, on a connection each.
pub(crate) fn verify(place: &Place, sides: [&Side; 2], streams: usize) -> [Streams; 2] {
    sides.map(|side| Streams {
        channels: (0..streams).map(|number| side.channel(number)).collect(),
        questions: Arc::clone(&place.questions.verify),
    })
}

pub(crate) struct Streams {
    channels: Vec<Channel>,
    questions: Arc<[VerifyRequest]>,
}

impl Load for Streams {
    /// All that is asked until the time is over, and answered.
    async fn run(&mut self, lasting: Duration) -> Result<Took> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut all = JoinSet::new();
        let began = Instant::now();
        for (number, channel) in self.channels.iter().enumerate() {
            let mut client = AgentClient::new(channel.clone());
            let mut questions = InTurn::new(&self.questions, number);
            let is_over = Arc::clone(&is_over);
            all.spawn(async move {
                let asked = std::iter::from_fn(move || {
                    (!is_over.load(Ordering::Relaxed)).then(|| questions.next().clone())
                });
                let answers = client.verify_stream(tokio_stream::iter(asked)).await?;
                let (mut answers, mut count) = (answers.into_inner(), 0_u64);
                while let Some(answer) = answers.message().await? {
                    let passed = matches!(answer.result, Some(verify_response::Result::Caller(_)));
                    ensure!(passed, "a token was refused: {answer:?}");
                    count += 1;
                }
                anyhow::Ok(count)
            });
        }
        sleep(lasting).await;
        is_over.store(true, Ordering::Relaxed);
        let mut count = 0;
        while let Some(ended) = all.join_next().await {
            count += ended??;
        }
        Ok(Took {
            p50: Duration::ZERO,
            p99: Duration::ZERO,
            per_second: count as f64 / began.elapsed().as_secs_f64(),
        })
    }
}
