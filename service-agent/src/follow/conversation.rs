//! What is said on one stream, until it ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cattery_proto::v1;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep_until;

use super::Follower;
use super::broken::Broken;
use super::clocks::Look;
use super::stream::{First, Stream};
use crate::clock::{Moment, jittered, unix_millis, within};

/// How long cached keys wait for fresh ones; the stream goes on.
const CACHE_PATIENCE: Duration = Duration::from_secs(1);
/// After a change of identity or addresses, which may be everybody's.
const RENEW_WITHIN: Duration = Duration::from_secs(10);

/// Beside the stream itself: what ends it from this side, and what else there is to do.
struct Plan {
    changes: watch::Receiver<u64>,
    renew_at: Option<Instant>,
    cache_at: Option<Instant>,
    /// Whether everything was asked for and has not come.
    awaits_whole: bool,
}

impl Follower {
    /// Opens a stream and follows it.
    ///
    /// # Errors
    /// Always, once it is over: why.
    pub(super) async fn follow(&mut self) -> Result<Infallible, Broken> {
        let (way, changes) = self.agent.link.way();
        let now = Instant::now();
        let acknowledged = self.acknowledgement.at(now);
        let first = First {
            holds: acknowledged.filter(|_| !self.wants_whole),
            look: self.agent.look.take(),
            outage_budget_seconds: self.agent.contact.budget().as_secs(),
        };
        self.keeper.begin();
        let mut stream = Stream::open(way, &first)?;
        self.looked = Some(now);
        let plan = Plan {
            changes,
            renew_at: None,
            cache_at: Some(now + CACHE_PATIENCE),
            awaits_whole: first.holds.is_none(),
        };
        let ended = self.converse(&mut stream, plan).await;
        if stream.look.is_some() {
            self.pace.brought_nothing();
        }
        if !matches!(ended, Err(Broken::Renewed)) {
            stream.avoid();
        }
        ended
    }

    async fn converse(
        &mut self,
        stream: &mut Stream,
        mut plan: Plan,
    ) -> Result<Infallible, Broken> {
        let agent = Arc::clone(&self.agent);
        loop {
            let wake = self.wake_at(stream, &plan);
            let deadline = stream.beats.deadline();
            let room = stream.room();
            let has_to_tell = self.has_to_tell(stream);
            tokio::select! {
                biased; // an answer that is there counts, however late this process comes to read it
                answer = stream.next() => {
                    self.hear(stream, &mut plan, answer?)?;
                    yield_now().await; // much may be there at once, and others want to go on
                }
                () = passed(deadline) => return Err(Broken::Silent(stream.beats.patience())),
                () = agent.look.requested(), if !agent.look.is_requested() => {}
                Ok(()) = plan.changes.changed() => {
                    plan.renew_at.get_or_insert_with(|| Instant::now() + within(RENEW_WITHIN));
                }
                () = room, if has_to_tell => {}
                () = passed(wake) => {}
            }
            self.do_what_is_due(stream, &mut plan, Instant::now())?;
        }
    }

    /// When there is something to do next, if nothing comes in.
    fn wake_at(&self, stream: &Stream, plan: &Plan) -> Option<Instant> {
        let is_open = stream.beat_due.is_some();
        [
            stream.beat_due,
            self.acknowledgement.due().filter(|_| is_open),
            self.look_due(stream),
            plan.renew_at,
            plan.cache_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether an acknowledgement waits for room in the connection.
    fn has_to_tell(&mut self, stream: &Stream) -> bool {
        stream.beat_due.is_some() && self.acknowledgement.at(Instant::now()) != stream.told
    }

    /// When to look, if somebody asks for it: one at a time, and not before the stream is open.
    fn look_due(&self, stream: &Stream) -> Option<Instant> {
        let can_look = stream.look.is_none() && stream.beat_due.is_some();
        (can_look && self.agent.look.is_requested()).then(|| self.may_look_at())
    }

    fn do_what_is_due(
        &mut self,
        stream: &mut Stream,
        plan: &mut Plan,
        now: Instant,
    ) -> Result<(), Broken> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(plan.renew_at) {
            return Err(Broken::Renewed);
        }
        if is_due(plan.cache_at) {
            plan.cache_at = None;
            self.use_cache();
        }
        let Some(beat_due) = stream.beat_due else {
            return Ok(());
        };
        let looks = is_due(self.look_due(stream)) && self.agent.look.take();
        let holds = self.acknowledgement.at(now);
        let acknowledges = holds != stream.told && stream.has_room();
        if looks || acknowledges || beat_due <= now {
            stream.beat(holds, looks)?;
            stream.beat_due = Some(now + jittered(stream.period));
            if looks {
                self.looked = Some(now);
            }
        }
        Ok(())
    }

    /// Takes an answer, in full or not at all.
    fn hear(
        &mut self,
        stream: &mut Stream,
        plan: &mut Plan,
        answer: v1::FollowServiceKeysResponse,
    ) -> Result<(), Broken> {
        let (now, now_ms) = (Moment::now(), unix_millis());
        let answered = stream.beats.answered(answer.beat, now)?;
        if plan.awaits_whole && answer.news.is_none() {
            return Err(Broken::NoKeys);
        }
        let is_news = match answer.news {
            Some(news) => self.take(stream, news)?,
            None => false,
        };
        plan.awaits_whole = false;
        plan.cache_at = None;
        self.settle_look(stream, answer.beat, is_news);
        let contact = stream.beats.contact();
        if let Some(contact) = contact.filter(|_| !self.keeper.awaits_more()) {
            self.keeper.heard(contact);
            self.agent.contact.heard(contact);
        }
        if let Some(told) = stream.told {
            let acknowledged = &self.agent.meters.acknowledged;
            acknowledged.set(told.position, told.epoch);
        }
        if let Some(answered) = answered {
            let trip = answered.round_trip;
            let look = Look::new(now, now_ms, answer.server_time_ms, trip);
            let difference = self.clocks.looked(look);
            self.agent.clock_difference.set(difference);
        }
        self.keeper.forget(now);
        self.reached();
        stream.period = self.pace.period(answer.beat_after_seconds);
        let last = stream.beats.last().unwrap_or(now.steady);
        stream.beat_due = Some(last + jittered(stream.period));
        Ok(())
    }

    /// Gives whether the news says anything new.
    fn take(&mut self, stream: &Stream, news: v1::ServiceNews) -> Result<bool, Broken> {
        let contact = stream.beats.contact();
        let taken = match self.keeper.take(&news, &stream.receiver, contact) {
            Ok(taken) => taken,
            Err(rejected) => {
                self.wants_whole |= news.since.is_some();
                return Err(rejected.into());
            }
        };
        self.agent.link.learn(news.cluster);
        let Some(taken) = taken else {
            return Ok(false);
        };
        self.wants_whole = false;
        let now = Instant::now();
        self.acknowledgement.taken(taken.mark, taken.is_news, now);
        Ok(taken.is_news)
    }

    /// Learns what a look was worth.
    fn settle_look(&mut self, stream: &mut Stream, beat: u64, is_news: bool) {
        let is_answered = stream.look.take_if(|look| *look <= beat).is_some();
        if is_news {
            self.agent.look.take(); // whoever still misses a key comes again
            self.pace.brought_news();
        } else if is_answered {
            self.pace.brought_nothing();
        }
    }
}

/// Waits until then, or for ever.
async fn passed(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
