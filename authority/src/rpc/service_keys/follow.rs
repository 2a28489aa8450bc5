//! One agent's stream, for as long as it lives.

use std::pin::Pin;
use std::time::Duration;

use cattery_core::ServiceName;
use cattery_core::epoch::{Contact, Position, contact_to_store};
use cattery_proto::v1;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::Instrument as _;

use super::tell::{Tidings, Told, live_keys, names, tidings};
use crate::act::{Act, now_ms};
use crate::cluster::Shared;
use crate::failure::Failure;
use crate::meters::Connected;
use crate::news::{News, ServiceNews};
use crate::records::{AgentRecord, ContactRecord, granularity};
use crate::registry::{self, Device, Stored};
use crate::rpc::call::StreamCall;
use crate::rpc::caller::Caller;

/// Answers that wait for the network: an agent that does not read gets no more.
const QUEUE: usize = 2;
/// The longest budget that counts: who is gone for longer was not cut off, but away.
const GREATEST_BUDGET: u64 = 30 * 24 * 3600;
/// How often an answer is decided anew when others change what it rests on.
const ATTEMPTS: usize = 8;
/// An agent's version, bytes.
const GREATEST_VERSION: usize = 64;
/// Beats that an agent may miss before it is taken for gone.
const MISSED: u32 = 3;

/// An agent, and what it was told.
pub(super) struct Follow {
    authority: Shared,
    call: StreamCall,
    service: ServiceName,
    device: Device,
    agent: Stored<AgentRecord>,
    contact: Option<Stored<ContactRecord>>,
    /// The newest beat that was read.
    beat: u64,
    /// What the agent says that it holds.
    holds: Position,
    told: Option<Told>,
    receiver: Vec<u8>,
    outage_budget: u64,
    version: String,
    /// The answer to the first beat.
    first: Option<v1::FollowServiceKeysResponse>,
}

/// Whether a beat is answered, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// There may be news; if there are none, nothing is sent.
    News,
    /// A beat came.
    Beat,
    /// A beat came, and the store is to be asked.
    Look,
}

impl Follow {
    /// Checks the first beat and finds the answer to it.
    pub(super) async fn begin(
        authority: Shared,
        call: StreamCall,
        first: v1::FollowServiceKeysRequest,
    ) -> Result<Self, Failure> {
        let Caller::Agent {
            service, device, ..
        } = &*call.caller
        else {
            return Err(Failure::Broken("service keys for someone who is no agent"));
        };
        if !(1..=GREATEST_BUDGET).contains(&first.outage_budget_seconds) {
            return Err(Failure::Invalid(format!(
                "outage_budget_seconds is {}, and has to be from 1 to {GREATEST_BUDGET} (30 days)",
                first.outage_budget_seconds
            )));
        }
        // Tried first, so that a bad key is told even to an agent that needs none.
        cattery_sdk::sealing::seal(&first.receiver_public_key, b"", b"")?;
        let agent = authority.registry.agent(device).await?;
        let contact = authority.registry.contact(&device.id).await?;
        let holds = first.holds.map(position);
        let mut follow = Self {
            agent,
            contact,
            service: service.clone(),
            device: device.clone(),
            beat: first.beat,
            holds: holds.unwrap_or_default(),
            told: holds.map(Told::held),
            receiver: first.receiver_public_key,
            outage_budget: first.outage_budget_seconds,
            version: first.version.chars().take(GREATEST_VERSION).collect(),
            first: None,
            authority,
            call,
        };
        follow.first = follow.answer(Why::Look).await?;
        Ok(follow)
    }

    /// Answers beats and tells news until the agent is gone.
    pub(super) fn run(
        mut self,
        beats: Streaming<v1::FollowServiceKeysRequest>,
        drain: CancellationToken,
    ) -> Pin<Box<dyn Stream<Item = Result<v1::FollowServiceKeysResponse, Status>> + Send>> {
        let (answers, queue) = mpsc::channel(QUEUE);
        let span = tracing::Span::current();
        let connected = Connected::one(&self.authority.meters);
        let work = async move {
            let _connected = connected;
            let ended = tokio::select! {
                ended = self.go_on(beats, &answers) => ended,
                () = drain.cancelled() => Err(self.call.leave()),
                () = answers.closed() => Ok(()),
            };
            if let Err(status) = ended {
                // Nobody who is gone needs to know.
                let _ = answers.send(Err(status)).await;
            }
        };
        tokio::spawn(work.instrument(span));
        Box::pin(ReceiverStream::new(queue))
    }

    async fn go_on(
        &mut self,
        mut beats: Streaming<v1::FollowServiceKeysRequest>,
        answers: &mpsc::Sender<Result<v1::FollowServiceKeysResponse, Status>>,
    ) -> Result<(), Status> {
        let mut views = self.authority.bulletin.subscribe();
        if let Some(first) = self.first.take() {
            let _ = answers.send(Ok(first)).await;
        }
        let mut heard = Instant::now();
        loop {
            let silent = heard + Duration::from_secs(self.beat_after().into()) * MISSED;
            let has_more = self.told.as_ref().is_some_and(Told::is_part);
            // In this order, so that nobody is taken for gone whose beats wait while they are told a great deal.
            let why = tokio::select! {
                biased;
                beat = beats.message() => match beat? {
                    Some(beat) => {
                        heard = Instant::now();
                        self.take(&beat)
                    }
                    None => return Ok(()),
                },
                changed = views.changed() => match changed {
                    Ok(()) => Why::News,
                    Err(_) => return Err(self.call.leave()),
                },
                () = std::future::ready(()), if has_more => Why::News,
                () = sleep_until(silent) => return Ok(()),
            };
            let answer = self.answer_in_turn(why).await;
            let answer = answer.map_err(|failure| self.call.fail(failure))?;
            if let Some(answer) = answer
                && answers.send(Ok(answer)).await.is_err()
            {
                return Ok(());
            }
        }
    }

    fn take(&mut self, beat: &v1::FollowServiceKeysRequest) -> Why {
        self.beat = self.beat.max(beat.beat);
        if let Some(holds) = beat.holds.map(position) {
            self.holds = self.holds.max(holds);
        }
        match beat.look {
            true => Why::Look,
            false => Why::Beat,
        }
    }

    async fn answer_in_turn(
        &mut self,
        why: Why,
    ) -> Result<Option<v1::FollowServiceKeysResponse>, Failure> {
        let turn = self.call.turn().await;
        let answer = self.answer(why).await;
        drop(turn);
        answer
    }

    async fn answer(&mut self, why: Why) -> Result<Option<v1::FollowServiceKeysResponse>, Failure> {
        let mut look = why == Why::Look;
        for _ in 0..ATTEMPTS {
            match self.try_answer(why, look).await {
                // Somebody changed what this rests on, which the mirror has not yet, or the records of the agent.
                Err(Failure::Contended) => {
                    look = true;
                    self.agent = self.authority.registry.agent(&self.device).await?;
                    self.contact = self.authority.registry.contact(&self.device.id).await?;
                }
                answer => return answer,
            }
        }
        Err(Failure::Contended)
    }

    async fn try_answer(
        &mut self,
        why: Why,
        look: bool,
    ) -> Result<Option<v1::FollowServiceKeysResponse>, Failure> {
        self.call.check_certificate()?;
        let act = self.call.act();
        let bulletin = &self.authority.bulletin;
        let mut news = match look {
            true => bulletin.fresh().await?,
            false => bulletin.confirmed().await?,
        };
        if self.holds > news.position {
            // It may have come from an authority that is a moment ahead.
            news = bulletin.fresh().await?;
            self.check_holds(&news)?;
        }
        let service = news.service(self.service.as_str());
        let service = service.filter(|service| self.agent.record.is_of(&service.record));
        let service = service.ok_or_else(registry::gone)?;
        let tidings = tidings(
            &self.authority,
            &news,
            &self.service,
            service,
            self.told.as_ref(),
            &self.receiver,
        )
        .await?;
        if why == Why::News && tidings.is_none() {
            // Somebody may wait by now for what the agent confirmed before.
            if self.owes(&news, service) {
                self.note(&act, &news, service).await?;
            }
            return Ok(None);
        }
        self.note(&act, &news, service).await?;
        let message = tidings.map(|Tidings { message, told }| {
            self.told = Some(told);
            message
        });
        Ok(Some(v1::FollowServiceKeysResponse {
            beat: self.beat,
            server_time_ms: now_ms(),
            beat_after_seconds: self.beat_after(),
            news: message,
        }))
    }

    /// An authority that is behind what the agent has seen must not tell it anything.
    fn check_holds(&self, news: &News) -> Result<(), Failure> {
        if self.holds > news.position {
            let (agent, store) = (self.holds, news.position);
            self.authority.behind.note(&self.device.id, agent, store);
            return Err(Failure::Behind { agent, store });
        }
        Ok(())
    }

    /// Whether the agent confirmed something that has to be stored.
    fn owes(&self, news: &News, service: &ServiceNews) -> bool {
        let incarnation = news.position.incarnation;
        let stored = self
            .contact
            .as_ref()
            .map_or(0, |contact| contact.record.acknowledged_in(incarnation));
        let holds = self.holds.sequence_in(incarnation);
        news.is_worth_noting(service, stored, holds)
    }

    /// What the store has to know of the agent before it is told anything.
    async fn note(&mut self, act: &Act, news: &News, service: &ServiceNews) -> Result<(), Failure> {
        let before = self.contact.as_ref();
        let known = before.map(|stored| &stored.record);
        let incarnation = news.position.incarnation;
        let stored = known.map(ContactRecord::contact);
        let granularity = granularity(self.outage_budget);
        // An older view than one that the agent was answered from: the next attempt asks the store.
        let due = contact_to_store(stored, act.now(), news.position, granularity)
            .map_err(|_| Failure::Contended)?;
        let contact = due.or(stored).unwrap_or(Contact {
            at: act.now(),
            position: news.position,
        });
        let noted = known.map_or(0, |known| known.acknowledged_in(incarnation));
        let acknowledged = noted.max(self.holds.sequence_in(incarnation));
        let record = ContactRecord {
            agent: self.device.id.clone(),
            service: self.service.as_str().to_owned(),
            registration: service.record.registration,
            last_contact: contact.at.max(known.map_or(0, |known| known.last_contact)),
            outage_budget: self.outage_budget,
            incarnation,
            told: contact.position.sequence,
            acknowledged: match self.owes(news, service) {
                true => acknowledged,
                false => noted,
            },
            handed_out: names(incarnation, &live_keys(&news.epochs, &service.generations)),
            version: self.version.clone(),
        };
        if known == Some(&record) {
            return Ok(());
        }
        let record = ContactRecord {
            told: news.position.sequence,
            acknowledged,
            ..record
        };
        let told = registry::Told {
            epochs: (crate::records::key::EPOCHS_LIVE, news.epochs_revision),
            service: (
                &crate::records::key::service(self.service.as_str()),
                service.revision,
            ),
        };
        let stored = self
            .authority
            .registry
            .note_contact(act, &self.agent, before, record, told)
            .await?;
        self.contact = Some(stored);
        Ok(())
    }

    /// As configured, and often enough within the agent's budget.
    fn beat_after(&self) -> u32 {
        let wanted = self.authority.config.service_refresh_interval.as_secs();
        let most = (self.outage_budget / 8).max(1);
        u32::try_from(wanted.min(most).max(1)).unwrap_or(u32::MAX)
    }
}

fn position(position: v1::Position) -> Position {
    Position {
        incarnation: position.incarnation,
        sequence: position.sequence,
    }
}
