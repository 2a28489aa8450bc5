//! The news that this authority can tell: a mirror of what the store has, read once for each change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cattery_core::RevocationKey;
use cattery_core::epoch::Position;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::news::{News, PREFIXES};
use crate::records::key;
use crate::store::{BootTime, MIRROR_PERIOD, Mirror, Store, View};

/// Agents are told, and their beats answered, on nothing that the store confirmed longer ago.
pub(crate) const CONFIRMED: Duration = Duration::from_secs(5);
/// How long somebody waits for the store to confirm what is known.
const PATIENCE: Duration = Duration::from_secs(4);

/// What this authority knows of the store, and how old that is.
pub(crate) struct Bulletin {
    mirror: Mirror,
    read: Mutex<Known>,
    revocation_key: RevocationKey,
    went_back: CancellationToken,
}

/// The view that was read last, and what it came to.
#[derive(Default)]
struct Known {
    news: Option<(Arc<View>, Arc<News>)>,
    /// From where to where the store went back.
    back: Option<(Position, Position)>,
}

impl Bulletin {
    /// Follows the store from now on. The key is that of the store's incarnation.
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        revocation_key: RevocationKey,
    ) -> Result<Self, Failure> {
        let prefixes = PREFIXES.map(str::to_owned).to_vec();
        let bulletin = Self {
            mirror: Mirror::start(store, prefixes, key::FEED.to_owned(), MIRROR_PERIOD),
            read: Mutex::default(),
            revocation_key,
            went_back: CancellationToken::new(),
        };
        bulletin.fresh().await?;
        Ok(bulletin)
    }

    /// What ids are fingerprinted with.
    pub(crate) fn revocation_key(&self) -> &RevocationKey {
        &self.revocation_key
    }

    /// Tells of every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.mirror.subscribe()
    }

    /// What is known, if the store confirmed it a moment ago or does so now.
    pub(crate) async fn confirmed(&self) -> Result<Arc<News>, Failure> {
        match self.mirror.confirmed_within(CONFIRMED) {
            Some(view) => self.read(view),
            None => self.fresh().await,
        }
    }

    /// What the store has now.
    pub(crate) async fn fresh(&self) -> Result<Arc<News>, Failure> {
        let view = self.mirror.fresh(PATIENCE).await;
        self.read(view.ok_or(Failure::Unconfirmed)?)
    }

    /// What was known last, however long ago.
    pub(crate) fn latest(&self) -> Result<Arc<News>, Failure> {
        self.read(self.mirror.view())
    }

    /// How long ago the store confirmed what is known; `None` before it first did.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.mirror.confirmed_at().map(BootTime::elapsed)
    }

    /// Looks at each view, whether somebody wants to know or not, until the store goes back.
    pub(crate) async fn mind(&self) {
        let mut views = self.subscribe();
        loop {
            // What cannot be read is said to whoever wants to tell it.
            let _ = self.latest();
            if self.went_back.is_cancelled() || views.changed().await.is_err() {
                return;
            }
        }
    }

    /// Refuses once the store went back: nothing may be issued on what it has.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.known().check()
    }

    fn read(&self, view: Arc<View>) -> Result<Arc<News>, Failure> {
        let mut known = self.known();
        known.check()?;
        let Some((before, seen)) = &known.news else {
            let news = Arc::new(News::read(&view, &self.revocation_key, None)?);
            known.news = Some((view, news.clone()));
            return Ok(news);
        };
        if Arc::ptr_eq(before, &view) {
            return Ok(seen.clone());
        }
        let news = Arc::new(News::read(&view, &self.revocation_key, Some(&**seen))?);
        let (seen, found) = (seen.position, news.position);
        if found < seen || found.incarnation != seen.incarnation {
            let back = Failure::WentBack { seen, found };
            tracing::error!(error = %back, "nothing is told or issued any more");
            known.back = Some((seen, found));
            self.went_back.cancel();
            return Err(back);
        }
        known.news = Some((view, news.clone()));
        Ok(news)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn check(&self) -> Result<(), Failure> {
        match self.back {
            Some((seen, found)) => Err(Failure::WentBack { seen, found }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use cattery_core::epoch::Line;

    use super::*;
    use crate::ca::{Ca, Cas};
    use crate::records::{ClusterRecord, EpochsRecord, FeedRecord, Hex, Record as _};
    use crate::store::{Embedded, Transaction};

    fn at(incarnation: u64, sequence: u64) -> Transaction {
        let cluster = ClusterRecord {
            cluster_id: Hex([1; 16]),
            trust_domain: "example.org".into(),
            incarnation,
            format: crate::records::FORMAT,
            created_at: 1,
        };
        let epochs = EpochsRecord {
            line: (&Line::first(1, 1)).into(),
            greatest_lease: 60,
            changed: 1,
        };
        let feed = FeedRecord {
            sequence,
            cluster_changed: 1,
            awaited: 0,
        };
        let ca = Ca::create("example.org", 1_790_000_000).unwrap();
        let cas = Cas::first(&ca, 1_790_000_000).record(incarnation);
        Transaction::new()
            .put(key::CAS, cas.encode())
            .put(key::CLUSTER, cluster.encode())
            .put(key::EPOCHS_LIVE, epochs.encode())
            .put(key::FEED, feed.encode())
    }

    #[tokio::test]
    async fn a_feed_that_goes_back_or_begins_anew_ends_it() {
        for (incarnation, sequence) in [(1, 4), (2, 1), (2, 9)] {
            let dir = tempfile::tempdir().unwrap();
            let store: Arc<dyn Store> = Arc::new(Embedded::create(dir.path().join("s")).unwrap());
            store.commit(at(1, 3)).await.unwrap();
            let bulletin = Bulletin::start(store.clone(), RevocationKey::from_bytes([1; 16]))
                .await
                .unwrap();
            store.commit(at(1, 5)).await.unwrap();
            assert_eq!(bulletin.fresh().await.unwrap().position.sequence, 5);
            bulletin.check().unwrap();
            store.commit(at(incarnation, sequence)).await.unwrap();
            bulletin.mind().await;
            for _ in 0..2 {
                let refused = [
                    bulletin.check().err(),
                    bulletin.latest().err(),
                    bulletin.confirmed().await.err(),
                    bulletin.fresh().await.err(),
                ];
                let back =
                    |refused: &Option<Failure>| matches!(refused, Some(Failure::WentBack { .. }));
                assert!(
                    refused.iter().all(back),
                    "{incarnation}, {sequence}: {refused:?}"
                );
                // Though it goes forward again.
                store.commit(at(1, 7)).await.unwrap();
            }
        }
    }
}
