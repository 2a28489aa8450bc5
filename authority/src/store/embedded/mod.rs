//! One file, one authority: the default.

mod file;
mod writer;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use redb::{Database, ReadableDatabase as _};
use tokio::sync::{mpsc, oneshot};
use tonic::async_trait;

use file::{DatabaseFile, ENTRIES, unavailable};
use writer::Job;

use super::transaction::check_key;
use super::{Entry, MAX_PAGE, Revision, Store, StoreError, Transaction};

/// Commits that may wait for the disk.
const QUEUE: usize = 1024;

/// The store of a cluster with one authority: one file (redb), written through to the disk before a commit answers.
///
/// Commits that arrive while the disk is busy share the next write. One process at a time can have it open.
pub struct Embedded {
    file: Arc<DatabaseFile>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
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
        let file = Arc::new(file);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("store".into())
            .spawn({
                let file = file.clone();
                move || {
                    let panicked = file.ended().clone().drop_guard();
                    writer::run(&file, queue);
                    panicked.disarm();
                }
            })
            .map_err(unavailable)?;
        Ok(Self {
            file,
            jobs: Some(jobs),
            writer: Some(writer),
        })
    }

    /// Returns when the store can serve no longer: its disk failed, or its file is damaged.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.file.ended().clone().cancelled_owned()
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || file.with(read))
            .await
            .map_err(unavailable)?
    }
}

/// What was queued is written, and the file is free for another process.
impl Drop for Embedded {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        check_key(key)?;
        let key = key.to_owned();
        self.read(move |database| {
            let entries = database.begin_read()?.open_table(ENTRIES)?;
            let found = entries.get(key.as_str())?;
            Ok(found.map(|found| entry(&key, found.value())))
        })
        .await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let prefix = prefix.to_owned();
        let after = after
            .filter(|after| *after >= prefix.as_str())
            .map(str::to_owned);
        self.read(move |database| {
            let entries = database.begin_read()?.open_table(ENTRIES)?;
            let from = match &after {
                Some(after) => Bound::Excluded(after.as_str()),
                None => Bound::Included(prefix.as_str()),
            };
            let mut page = Vec::new();
            for found in entries.range::<&str>((from, Bound::Unbounded))? {
                let (key, value) = found?;
                if page.len() >= limit.min(MAX_PAGE) || !key.value().starts_with(&prefix) {
                    break;
                }
                page.push(entry(key.value(), value.value()));
            }
            Ok(page)
        })
        .await
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
}

const ENDED: &str = "the thread that writes the store has ended; restart the authority";

fn entry(key: &str, (revision, value): (u64, &[u8])) -> Entry {
    Entry {
        key: key.to_owned(),
        value: value.to_vec(),
        revision,
    }
}
