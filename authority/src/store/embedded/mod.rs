//! One file, one authority: the default.

mod feed;
mod file;
mod sessions;
mod snapshot;
mod write;
mod writer;

use std::ops::Bound;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use redb::{Database, ReadTransaction, ReadableDatabase as _};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tonic::async_trait;

use feed::{Feed, Follower};
use file::{DatabaseFile, ENTRIES, NUMBERS, REVISION, unavailable};
use snapshot::Reading;
use writer::{Job, Writer};

use super::session::Life;
use super::transaction::{check_key, check_keys};
use super::{
    BootTime, Entry, MAX_PAGE, MAX_PAGE_BYTES, Page, Revision, Session, Snapshot, Store,
    StoreError, Transaction, Watch,
};

/// Commits that may wait for the disk.
const QUEUE: usize = 1024;

/// The store of a cluster with one authority: one file (redb), written through to the disk before a commit answers.
///
/// Commits that arrive while the disk is busy share the next write. One process at a time can have it open, so a session ends
/// with its process at the latest: what is left of it goes when the file is opened next. Watches are served from memory, and
/// only what was committed since the file was opened.
pub struct Embedded {
    writer: Writer,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Opens the store at `path`, which must be there and readable by its owner only.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`], [`StoreError::InUse`], [`StoreError::Exposed`], [`StoreError::Corrupt`],
    /// [`StoreError::File`] or [`StoreError::Unavailable`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::start(DatabaseFile::open(path.as_ref())?)
    }

    /// Makes an empty store at `path`, where nothing may be.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] or [`StoreError::Unavailable`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::start(DatabaseFile::create(path.as_ref())?)
    }

    fn start(file: DatabaseFile) -> Result<Self, StoreError> {
        let revision = file.with(write::clear_sessions)?;
        let writer = Writer {
            file: Arc::new(file),
            sessions: Arc::default(),
            feed: Feed::new(revision),
        };
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn({
                let writer = writer.clone();
                move || {
                    let panicked = writer.file.ended().clone().drop_guard();
                    writer.run(queue);
                    panicked.disarm();
                }
            })
            .map_err(unavailable)?;
        Ok(Self {
            writer,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Returns when the store can serve no longer: its disk failed, or its file is damaged.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.writer.file.ended().clone().cancelled_owned()
    }

    /// Reads a few pages. They are most likely in memory, so handing that to another thread takes longer than doing it; but for opening the file
    /// anew, which takes seconds where it is large.
    async fn read_few<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.writer.file.is_open() {
            true => self.writer.file.with(read),
            false => self.read(read).await,
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = self.writer.file.clone();
        tokio::task::spawn_blocking(move || file.with(read))
            .await
            .map_err(unavailable)?
    }
}

/// What was queued is written, and the file is free for another process.
impl Drop for Embedded {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        check_key(key)?;
        let key = key.to_owned();
        self.read_few(move |database| {
            let entries = database.begin_read()?.open_table(ENTRIES)?;
            let found = entries.get(key.as_str())?;
            Ok(found.map(|found| entry(&key, found.value())))
        })
        .await
    }

    async fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        check_keys(keys)?;
        let keys = keys.to_vec();
        self.read_few(move |database| {
            let entries = database.begin_read()?.open_table(ENTRIES)?;
            let get = |key: &String| {
                let found = entries.get(key.as_str())?;
                Ok(found.map(|found| entry(key, found.value())))
            };
            keys.iter().map(get).collect()
        })
        .await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let prefix = prefix.to_owned();
        let after = after
            .filter(|after| *after >= prefix.as_str())
            .map(str::to_owned);
        self.read(move |database| {
            let from = match &after {
                Some(after) => Bound::Excluded(after.as_str()),
                None => Bound::Included(prefix.as_str()),
            };
            read_page(&database.begin_read()?, &prefix, from, limit.min(MAX_PAGE))
        })
        .await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let (transaction, revision) = self
            .read(|database| {
                let transaction = database.begin_read()?;
                let revision = revision(&transaction)?;
                Ok((transaction, revision))
            })
            .await?;
        let reading = Reading {
            file: self.writer.file.clone(),
            transaction: Arc::new(transaction),
        };
        Ok(Snapshot::new(revision, reading))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        transaction.validate()?;
        let (answer, result) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(|| unavailable(ENDED))?;
        jobs.send(Job {
            transaction,
            answer,
        })
        .await
        .map_err(|_| unavailable(ENDED))?;
        result.await.map_err(|_| unavailable(ENDED))?
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        let (feed, ended) = (self.writer.feed.clone(), self.writer.file.ended().clone());
        Ok(Watch::new(Follower::new(feed, ended, prefix, after)))
    }

    async fn open_session(&self, _: Duration) -> Result<Session, StoreError> {
        let jobs = self.jobs.as_ref().ok_or_else(|| unavailable(ENDED))?;
        let jobs = jobs.downgrade();
        let sessions = self.writer.sessions.clone();
        let id = sessions.open();
        let ended = self.writer.file.ended().child_token();
        let life = Life::new(BootTime::NEVER, ended.clone());
        Ok(Session::new(id, life, move || {
            sessions.end(id);
            ended.cancel();
            // Wakes the writer. Where the queue is full, it is awake.
            let (answer, _) = oneshot::channel();
            let wake = Job {
                transaction: Transaction::new(),
                answer,
            };
            let _ = jobs.upgrade().map(|jobs| jobs.try_send(wake));
        }))
    }
}

const ENDED: &str = "the thread that writes the store has ended; restart the authority";

fn read_page(
    read: &ReadTransaction,
    prefix: &str,
    from: Bound<&str>,
    limit: usize,
) -> Result<Page, redb::Error> {
    let mut page = Page {
        entries: Vec::new(),
        more: false,
        revision: revision(read)?,
    };
    let mut bytes = 0;
    for found in read
        .open_table(ENTRIES)?
        .range::<&str>((from, Bound::Unbounded))?
    {
        let (key, value) = found?;
        if !key.value().starts_with(prefix) {
            break;
        }
        bytes += key.value().len() + value.value().1.len();
        let full = bytes > MAX_PAGE_BYTES && !page.entries.is_empty();
        if full || page.entries.len() >= limit {
            page.more = true;
            break;
        }
        page.entries.push(entry(key.value(), value.value()));
    }
    Ok(page)
}

fn revision(read: &ReadTransaction) -> Result<Revision, redb::Error> {
    let revision = read.open_table(NUMBERS)?.get(REVISION)?;
    Ok(revision.map_or(0, |revision| revision.value()))
}

fn entry(key: &str, (revision, value): (u64, &[u8])) -> Entry {
    Entry {
        key: key.to_owned(),
        value: value.to_vec(),
        revision,
    }
}
