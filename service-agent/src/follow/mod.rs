//! Following the keys: one stream to one authority at a time, and another one when it breaks.
//!
//! `conversation.rs` is what happens on a stream, `keeper.rs` what becomes of news; `beats.rs`, `acknowledgement.rs`,
//! `clocks.rs`, `forgetting.rs` and `pace.rs` decide, without a clock of their own.

mod acknowledgement;
mod beats;
mod broken;
mod clocks;
mod conversation;
mod forgetting;
mod keeper;
mod pace;
mod stream;
mod trigger;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use crate::agent::Agent;
use crate::cache::Cache;
use crate::clock::{spread, within};
use crate::state::{StateDir, StateError};
use acknowledgement::Acknowledgement;
use broken::Broken;
use clocks::Clocks;
use keeper::Keeper;
use pace::Pace;

pub(crate) use trigger::Trigger;

/// An authority that stops has many agents, which do not all come to the next one in the same moment.
const MOVE_WITHIN: Duration = Duration::from_secs(1);

/// The task that keeps the keys fresh.
pub(crate) struct Follower {
    agent: Arc<Agent>,
    keeper: Keeper,
    acknowledgement: Acknowledgement,
    clocks: Clocks,
    pace: Pace,
    /// Whether the next stream asks for everything: what the authority told did not fit to what is held.
    wants_whole: bool,
    /// When the store was last asked to be looked at, by the beat that opens a stream or one of its own.
    looked: Option<Instant>,
}

impl Follower {
    pub(crate) fn new(
        agent: Arc<Agent>,
        dir: StateDir,
        cache: Option<Cache>,
    ) -> Result<Self, StateError> {
        Ok(Self {
            acknowledgement: Acknowledgement::new(agent.in_process_lag()),
            clocks: Clocks::default(),
            pace: Pace::new(agent.contact.budget()),
            keeper: Keeper::new(Arc::clone(&agent), dir, cache)?,
            agent,
            wants_whole: false,
            looked: None,
        })
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let opened = Instant::now();
            let Err(why) = self.follow().await;
            self.agent.meters.streams_ended.add(why.reason());
            let wait = self.over(&why, opened.elapsed());
            self.rest(Instant::now() + wait).await;
        }
    }

    /// How long to wait after a stream that lived for so long.
    fn over(&mut self, why: &Broken, lived: Duration) -> Duration {
        self.pace.lived(lived);
        match why {
            Broken::Renewed => {
                debug!("opening a new stream: {why}");
                return Duration::ZERO;
            }
            Broken::Stops(_) if self.pace.moves_on() => {
                debug!("going to another authority: {why}");
                self.use_cache();
                return within(MOVE_WITHIN);
            }
            _ => {}
        }
        self.agent.contact.failed();
        let (wait, is_first) = self.pace.failed();
        if is_first {
            warn!(error = %why, "cannot follow the keys");
        } else {
            debug!(error = %why, "still cannot follow the keys");
        }
        self.use_cache();
        spread(wait)
    }

    /// Waits until then, or less where somebody asks for a look.
    async fn rest(&mut self, due: Instant) {
        tokio::select! {
            () = sleep_until(due.into()) => return,
            () = self.agent.look.requested() => {}
        }
        sleep_until(due.min(self.may_look_at()).into()).await;
    }

    /// When a look that somebody asks for may be next.
    fn may_look_at(&self) -> Instant {
        let now = Instant::now();
        self.looked.map_or(now, |looked| looked + self.pace.gap())
    }

    fn use_cache(&mut self) {
        if let Some(mark) = self.keeper.use_cache() {
            self.acknowledgement.taken(mark, true, Instant::now());
        }
    }

    fn reached(&mut self) {
        if self.pace.answered() {
            info!("reached an authority again");
        }
    }
}
