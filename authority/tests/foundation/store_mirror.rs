//! A mirror of a store that fails in each way that one can.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use cattery_authority::store::{
    Changes, Entry, MAX_OPERATIONS, MAX_PAGE, Mirror, Page, Revision, Session, Snapshot, Store,
    StoreError, Transaction, View, Watch, WatchError, WatchSource,
};
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tonic::async_trait;

use crate::support::embedded;

const BEAT: &str = "beat";
const PERIOD: Duration = Duration::from_millis(20);
/// A test that waits as long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn put(key: &str, value: &str) -> Transaction {
    Transaction::new().put(key, value).put(BEAT, "")
}

pub(crate) fn mirror(store: &Arc<dyn Store>, prefixes: &[&str]) -> Mirror {
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    Mirror::start(store.clone(), prefixes, BEAT.to_owned(), PERIOD)
}

pub(crate) fn values(view: &View) -> BTreeMap<&str, &str> {
    let entries = view.entries.iter();
    entries
        .map(|(key, entry)| (key.as_str(), std::str::from_utf8(&entry.value).unwrap()))
        .collect()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

pub(crate) async fn fresh(mirror: &Mirror) -> Arc<View> {
    mirror.fresh(PATIENCE).await.expect("no fresh view")
}

#[tokio::test]
async fn a_mirror_follows_its_prefixes() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    store.commit(put("a/1", "old")).await.unwrap();
    store.commit(put("c/1", "not wanted")).await.unwrap();
    let mirror = mirror(&store, &["a/", "b/"]);
    assert_eq!(values(&*fresh(&mirror).await), [("a/1", "old")].into());
    assert!(mirror.confirmed_within(PATIENCE).is_some());

    let mut views = mirror.subscribe();
    views.mark_unchanged();
    let both = put("a/1", "new").put("b/1", "new");
    let revision = store.commit(both).await.unwrap();
    soon(views.changed()).await.unwrap();
    let expected = [("a/1", "new"), ("b/1", "new")].into();
    assert_eq!(values(&views.borrow_and_update()), expected);
    assert_eq!(soon(mirror.at_least(revision)).await.revision, revision);

    let elsewhere = store.commit(put("c/1", "2")).await.unwrap();
    assert_eq!(values(&*soon(mirror.at_least(elsewhere)).await), expected);
    assert!(!views.has_changed().unwrap());
    let gone = Transaction::new().delete("a/1").put(BEAT, "");
    store.commit(gone).await.unwrap();
    assert_eq!(values(&*fresh(&mirror).await), [("b/1", "new")].into());
}

#[tokio::test]
async fn an_empty_store_is_mirrored_too() {
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let mirror = mirror(&store, &["a/"]);
    assert!(values(&*fresh(&mirror).await).is_empty());
    store.commit(put("a/1", "1")).await.unwrap();
    assert_eq!(values(&*fresh(&mirror).await), [("a/1", "1")].into());
}

/// Money is moved about while it is counted, page by page: no view has more or less of it.
#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_the_store_at_one_revision() {
    const ACCOUNTS: usize = 2 * MAX_PAGE + 500;
    let dir = TempDir::new().unwrap();
    let store = embedded(&dir);
    let key = |number: usize| format!("a/{number:05}");
    for first in (0..ACCOUNTS).step_by(MAX_OPERATIONS - 1) {
        let some = first..ACCOUNTS.min(first + MAX_OPERATIONS - 1);
        let beat = Transaction::new().put(BEAT, "");
        let all = some.fold(beat, |all, number| all.put(key(number), "10"));
        store.commit(all).await.unwrap();
    }
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let done = Arc::new(AtomicBool::new(false));
    let mover = tokio::spawn({
        let (store, done) = (store.clone(), done.clone());
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        async move {
            let mut accounts = vec![10_u32; ACCOUNTS];
            while !done.load(Ordering::SeqCst) {
                let from = random.random_range(0..ACCOUNTS);
                let to = random.random_range(0..ACCOUNTS);
                if from == to || accounts[from] == 0 {
                    continue;
                }
                accounts[from] -= 1;
                accounts[to] += 1;
                let mut both = Transaction::new().put(BEAT, "");
                for account in [from, to] {
                    both = match accounts[account] {
                        0 => both.delete(key(account)),
                        money => both.put(key(account), money.to_string()),
                    };
                }
                store.commit(both).await.unwrap();
            }
        }
    });
    for _ in 0..5 {
        let mirror = mirror(&store, &["a/"]);
        let mut views = mirror.subscribe();
        for _ in 0..20 {
            soon(views.changed()).await.unwrap();
            let view = views.borrow_and_update().clone();
            let money: usize = values(&view)
                .values()
                .map(|money| money.parse::<usize>().unwrap())
                .sum();
            assert_eq!(money, 10 * ACCOUNTS);
        }
    }
    done.store(true, Ordering::SeqCst);
    mover.await.unwrap();
}

/// A store whose watches, reads and answers can be taken away.
struct Wayward {
    inner: Arc<dyn Store>,
    ways: Arc<Ways>,
}

struct Ways {
    /// Watches tell nothing, and do not end.
    deaf: AtomicBool,
    /// The next thing that a watch would tell is forgotten.
    compacted: AtomicBool,
    /// Nothing answers.
    down: AtomicBool,
    /// What each read of a key takes one of.
    reads: Semaphore,
    lists: AtomicU32,
    gets: AtomicU32,
}

impl Wayward {
    fn around(inner: Arc<dyn Store>) -> (Arc<dyn Store>, Arc<Ways>) {
        let ways = Arc::new(Ways {
            deaf: AtomicBool::new(false),
            compacted: AtomicBool::new(false),
            down: AtomicBool::new(false),
            reads: Semaphore::new(Semaphore::MAX_PERMITS),
            lists: AtomicU32::new(0),
            gets: AtomicU32::new(0),
        });
        let store = Self {
            inner,
            ways: ways.clone(),
        };
        (Arc::new(store), ways)
    }

    fn up(&self) -> Result<(), StoreError> {
        match self.ways.down.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("down".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Wayward {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.ways.gets.fetch_add(1, Ordering::SeqCst);
        self.ways.reads.acquire().await.unwrap().forget();
        self.up()?;
        self.inner.get(key).await
    }

    async fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.up()?;
        self.inner.get_all(keys).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.ways.lists.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        self.inner.list(prefix, after, limit).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.inner.snapshot().await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        self.up()?;
        self.inner.commit(transaction).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        self.up()?;
        Ok(Watch::new(WaywardWatch {
            inner: self.inner.watch(prefix, after).await?,
            ways: self.ways.clone(),
        }))
    }

    async fn open_session(&self, ttl: Duration) -> Result<Session, StoreError> {
        self.inner.open_session(ttl).await
    }
}

struct WaywardWatch {
    inner: Watch,
    ways: Arc<Ways>,
}

#[async_trait]
impl WatchSource for WaywardWatch {
    async fn next(&mut self) -> Result<Changes, WatchError> {
        loop {
            let changes = self.inner.next().await?;
            if self.ways.compacted.swap(false, Ordering::SeqCst) {
                return Err(WatchError::Compacted);
            }
            if !self.ways.deaf.load(Ordering::SeqCst) {
                return Ok(changes);
            }
        }
    }
}

#[tokio::test]
async fn a_watch_that_dies_silently_is_found_out() {
    let dir = TempDir::new().unwrap();
    let (store, ways) = Wayward::around(embedded(&dir));
    store.commit(put("a/1", "old")).await.unwrap();
    let mirror = mirror(&store, &["a/"]);
    fresh(&mirror).await;
    let lists = ways.lists.load(Ordering::SeqCst);
    ways.deaf.store(true, Ordering::SeqCst);
    store.commit(put("a/1", "new")).await.unwrap();
    assert_eq!(values(&*fresh(&mirror).await), [("a/1", "new")].into());
    assert!(ways.lists.load(Ordering::SeqCst) > lists);
    ways.deaf.store(false, Ordering::SeqCst);
    let revision = store.commit(put("a/1", "newer")).await.unwrap();
    let view = soon(mirror.at_least(revision)).await;
    assert_eq!(values(&view), [("a/1", "newer")].into());
}

#[tokio::test]
async fn what_the_store_has_forgotten_is_listed() {
    let dir = TempDir::new().unwrap();
    let (store, ways) = Wayward::around(embedded(&dir));
    let mirror = mirror(&store, &["a/"]);
    fresh(&mirror).await;
    let lists = ways.lists.load(Ordering::SeqCst);
    ways.compacted.store(true, Ordering::SeqCst);
    store.commit(put("a/1", "new")).await.unwrap();
    assert_eq!(values(&*fresh(&mirror).await), [("a/1", "new")].into());
    assert!(ways.lists.load(Ordering::SeqCst) > lists);
}

#[tokio::test]
async fn while_the_store_is_away_the_last_view_stays_and_ages() {
    let dir = TempDir::new().unwrap();
    let inner = embedded(&dir);
    let (store, ways) = Wayward::around(inner.clone());
    store.commit(put("a/1", "old")).await.unwrap();
    let mirror = mirror(&store, &["a/"]);
    fresh(&mirror).await;
    ways.down.store(true, Ordering::SeqCst);
    ways.deaf.store(true, Ordering::SeqCst);
    inner.commit(put("a/1", "new")).await.unwrap();
    let gets = ways.gets.load(Ordering::SeqCst);
    assert!(mirror.fresh(5 * PERIOD).await.is_none());
    assert!(ways.gets.load(Ordering::SeqCst) > gets, "it keeps asking");
    let at = mirror.confirmed_at().unwrap();
    assert_eq!(values(&mirror.view()), [("a/1", "old")].into());
    assert!(mirror.confirmed_within(Duration::ZERO).is_none());
    assert!(mirror.confirmed_within(PATIENCE).is_some());

    ways.down.store(false, Ordering::SeqCst);
    ways.deaf.store(false, Ordering::SeqCst);
    assert_eq!(values(&*fresh(&mirror).await), [("a/1", "new")].into());
    assert!(mirror.confirmed_at().unwrap() > at);
}

#[tokio::test]
async fn a_store_that_was_away_at_the_start_is_found() {
    let dir = TempDir::new().unwrap();
    let inner = embedded(&dir);
    inner.commit(put("a/1", "1")).await.unwrap();
    let (store, ways) = Wayward::around(inner);
    ways.down.store(true, Ordering::SeqCst);
    let mirror = mirror(&store, &["a/"]);
    assert!(mirror.fresh(2 * PERIOD).await.is_none());
    assert_eq!(*mirror.view(), View::default());
    assert!(mirror.confirmed_at().is_none());
    ways.down.store(false, Ordering::SeqCst);
    assert_eq!(values(&*fresh(&mirror).await), [("a/1", "1")].into());
}

#[tokio::test]
async fn a_store_that_went_back_is_listed_anew() {
    let dir = TempDir::new().unwrap();
    let (store, ways) = Wayward::around(embedded(&dir));
    for value in ["1", "2", "3"] {
        store.commit(put("a/1", value)).await.unwrap();
    }
    let mirror = mirror(&store, &["a/"]);
    fresh(&mirror).await;
    // The watch does not tell, and the next read finds no beat at all.
    ways.deaf.store(true, Ordering::SeqCst);
    let gone = Transaction::new().delete("a/1").delete(BEAT);
    store.commit(gone).await.unwrap();
    assert!(values(&*fresh(&mirror).await).is_empty());
}

#[tokio::test]
async fn callers_who_want_a_fresh_view_at_the_same_time_share_a_read() {
    let dir = TempDir::new().unwrap();
    let (store, ways) = Wayward::around(embedded(&dir));
    let mirror = Mirror::start(
        store.clone(),
        vec!["a/".to_owned()],
        BEAT.to_owned(),
        Duration::from_secs(3600),
    );
    fresh(&mirror).await;
    let gets = ways.gets.load(Ordering::SeqCst);
    ways.reads.forget_permits(Semaphore::MAX_PERMITS);
    let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(fresh(&mirror))).collect();
    for one in &mut waiting {
        let mut one = pin!(one);
        let polled = std::future::poll_fn(|context| Poll::Ready(one.as_mut().poll(context)));
        assert!(polled.await.is_pending());
    }
    ways.reads.add_permits(100);
    for one in waiting {
        one.await;
    }
    let reads = ways.gets.load(Ordering::SeqCst) - gets;
    assert!(reads <= 2, "{reads} reads: one may have been under way");
}
