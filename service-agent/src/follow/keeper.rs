//! Taking news: it goes into the cache first, then what was seen goes to the disk, then the set is everybody's. So a restart finds no
//! less than was in use, and a cache that is not below what was seen.

use std::sync::Arc;

use cattery_proto::v1;
use cattery_sdk::sealing::ReceiverKey;
use tracing::{debug, info, warn};

use crate::agent::Agent;
use crate::cache::Cache;
use crate::clock::Moment;
use crate::keys::{KeySet, Rejected, accept, not_below};
use crate::state::{Mark, StateDir, StateError};

use super::forgetting::Forgetting;

/// Owns what outlives this process.
pub(super) struct Keeper {
    agent: Arc<Agent>,
    dir: StateDir,
    seen: Mark,
    /// How much of `seen` is on disk.
    saved: Mark,
    cache: Option<Cache>,
    /// What has come so far of all there is. Nobody uses it yet.
    collected: Option<KeySet>,
    /// Whether the authority has more to tell already.
    awaits_more: bool,
    forgetting: Forgetting,
    /// Whether the log says why the cache is not used.
    has_complained: bool,
}

/// A set that is in use now.
pub(super) struct Taken {
    pub(super) mark: Mark,
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
            collected: None,
            awaits_more: false,
            forgetting: Forgetting::default(),
            has_complained: false,
        })
    }

    /// A stream begins: what the last one had not finished to tell is told anew.
    pub(super) fn begin(&mut self) {
        self.collected = None;
        self.awaits_more = false;
    }

    /// Whether what is held lacks something that was there when the authority told it.
    pub(super) fn awaits_more(&self) -> bool {
        self.awaits_more
    }

    /// Checks news and uses it from then on: at once, but all there is not before all of it has come, and `None` until then.
    /// `contact` is when the authority was last asked.
    pub(super) fn take(
        &mut self,
        news: &v1::ServiceNews,
        receiver: &ReceiverKey,
        contact: Option<Moment>,
    ) -> Result<Option<Taken>, Rejected> {
        let agent = &self.agent;
        let held = agent.keys.load_full();
        let collected = self.collected.take().filter(|_| news.since.is_some());
        let is_part = news.more && (news.since.is_none() || collected.is_some());
        let former = collected.as_ref().or(held.as_deref());
        let set = accept(news, receiver, &agent.service, self.seen, former)?;
        self.awaits_more = news.more;
        if is_part {
            self.collected = Some(set);
            return Ok(None);
        }
        let set = match collected {
            Some(_) => set.whole(),
            None => set,
        };
        let taken = Taken {
            mark: set.held_mark(),
            is_news: held.as_ref().is_none_or(|held| !set.says_as(held)),
        };
        if held.is_none_or(|held| held.held() != set.held()) {
            let epochs: Vec<_> = set.held().iter().map(|held| held.epoch).collect();
            info!(?epochs, "holding the keys of these epochs");
        }
        self.seen = self.seen.and(set.mark());
        self.save_cache(&set, contact.filter(|_| !news.more));
        self.save_mark();
        self.agent.meters.key_ages.hold(set.held(), Moment::now());
        self.agent.keys.store(Some(Arc::new(set)));
        Ok(Some(taken))
    }

    /// Takes note that an authority was heard, whom the agent last asked at `contact`.
    pub(super) fn heard(&mut self, contact: Moment) {
        if let Some(set) = self.agent.keys.load_full() {
            self.save_cache(&set, Some(contact));
        }
        self.save_mark();
    }

    /// Lets go of revoked ids that have ended.
    pub(super) fn forget(&mut self, now: Moment) {
        let agent = &self.agent;
        let skew = agent.skew();
        let due = self.forgetting.due(now, skew.difference_ms, skew.leeway);
        let keys = agent.keys.load();
        if let Some((until, keys)) = due.zip(keys.as_ref())
            && let Some(set) = keys.without_ended(until)
        {
            agent.keys.store(Some(Arc::new(set)));
        }
    }

    fn save_cache(&mut self, set: &KeySet, contact: Option<Moment>) {
        let Some(cache) = &mut self.cache else { return };
        if let Err(error) = cache.save(set, contact) {
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

    /// Uses the cached keys where there are no others. Gives what is held then, if they are in use now.
    pub(super) fn use_cache(&mut self) -> Option<Mark> {
        let cache = self.cache.as_mut()?;
        let agent = &self.agent;
        if agent.keys.load().is_some() || self.collected.is_some() {
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
                let mark = cached.set.held_mark();
                self.seen = self.seen.and(cached.set.mark());
                agent.contact.remembered(now, cached.since_contact);
                agent.contact.failed();
                agent.meters.key_ages.hold(cached.set.held(), now);
                agent.keys.store(Some(Arc::new(cached.set)));
                info!(since_contact = ?cached.since_contact, "no authority answers: using the cached keys");
                Some(mark)
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
