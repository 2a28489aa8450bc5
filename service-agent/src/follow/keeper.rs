//! Taking news: what was seen goes to the disk first, then the set is everybody's, then it goes into the cache.

use std::sync::Arc;

use cattery_proto::v1;
use cattery_sdk::sealing::ReceiverKey;
use tracing::{debug, info, warn};

use crate::agent::Agent;
use crate::cache::Cache;
use crate::clock::Moment;
use crate::keys::{Rejected, accept, not_below};
use crate::position::Position;
use crate::state::{Mark, StateDir, StateError};

/// Owns what outlives this process.
pub(super) struct Keeper {
    agent: Arc<Agent>,
    dir: StateDir,
    seen: Mark,
    /// How much of `seen` is on disk.
    saved: Mark,
    cache: Option<Cache>,
    /// Whether the log says why the cache is not used.
    has_complained: bool,
}

/// A set that is in use now.
pub(super) struct Taken {
    pub(super) position: Position,
    /// Whether it says anything that the former one did not.
    pub(super) is_news: bool,
}

impl Keeper {
    pub(super) fn new(
        agent: Arc<Agent>,
        dir: StateDir,
        cache: Option<Cache>,
    ) -> Result<Self, StateError> {
        let saved = Mark::load(&dir)?;
        Ok(Self {
            agent,
            dir,
            seen: saved,
            saved,
            cache,
            has_complained: false,
        })
    }

    /// Checks news and uses it from then on.
    pub(super) fn take(
        &mut self,
        news: &v1::ServiceNews,
        receiver: &ReceiverKey,
    ) -> Result<Taken, Rejected> {
        let agent = &self.agent;
        let former = agent.keys.load_full();
        let set = accept(news, receiver, &agent.service, self.seen, former.as_deref())?;
        let taken = Taken {
            position: set.position(),
            is_news: former.as_ref().is_none_or(|former| !former.says_as(&set)),
        };
        if former.is_none_or(|former| former.held() != set.held()) {
            let epochs: Vec<_> = set.held().iter().map(|held| held.epoch).collect();
            info!(?epochs, "holding the keys of these epochs");
        }
        self.seen = self.seen.and(set.mark());
        self.save_mark();
        self.agent.keys.store(Some(Arc::new(set)));
        Ok(taken)
    }

    /// Takes note that an authority was heard, whom the agent last asked at `contact`; `is_news` where the set is a new one.
    pub(super) fn heard(&mut self, contact: Moment, is_news: bool) {
        self.save_mark();
        let Some(cache) = &mut self.cache else { return };
        let keys = self.agent.keys.load();
        let Some(set) = keys.as_ref() else { return };
        if let Err(error) = cache.save(set, contact, is_news) {
            warn!(%error, "the cache of keys is not up to date: a restart without an authority may find no keys");
        }
    }

    /// A restart must not believe less than this life did. A full disk is no reason to do without the newer set, though; the
    /// next answer tries again.
    fn save_mark(&mut self) {
        if self.seen == self.saved {
            return;
        }
        match self.seen.save(&self.dir) {
            Ok(()) => self.saved = self.seen,
            Err(error) => {
                warn!(%error, "cannot save what was seen: a restart would believe an authority that fell back");
            }
        }
    }

    /// Uses the cached keys where there are no others. Gives the position of the set if it is in use now.
    pub(super) fn use_cache(&mut self) -> Option<Position> {
        let cache = self.cache.as_ref()?;
        let agent = &self.agent;
        if agent.keys.load().is_some() {
            return None;
        }
        let now = Moment::now();
        let loaded = cache.load(now.wall).map_err(|error| error.to_string());
        let usable = loaded.and_then(|cached| match cached {
            Some(cached) => match not_below(&cached.set, self.seen) {
                Ok(()) => Ok(Some(cached)),
                Err(rejected) => Err(rejected.to_string()),
            },
            None => Ok(None),
        });
        match usable {
            Ok(None) => None,
            Ok(Some(cached)) => {
                let position = cached.set.position();
                agent.contact.remembered(now, cached.since_contact);
                agent.contact.failed();
                agent.keys.store(Some(Arc::new(cached.set)));
                info!(since_contact = ?cached.since_contact, "no authority answers: using the cached keys");
                Some(position)
            }
            Err(error) if std::mem::replace(&mut self.has_complained, true) => {
                debug!(error, "the cached keys are still not used");
                None
            }
            Err(error) => {
                warn!(error, "the cached keys are not used");
                None
            }
        }
    }
}
