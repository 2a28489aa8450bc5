use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::meters::{AuditMeters, AuditResult};
use super::record::{Body, Head};
use super::verify::scan;
use super::wanted::Wanted;
use super::writer::{Append, Writer};
use super::{AuditError, Event, Intent, OpId, Outcome, Position, VerifyReport};
use crate::store::Revision;

/// Records that may wait for the disk.
const QUEUE: usize = 4096;

/// The audit log of one authority, open for appending. Clones append to the same log.
///
/// Records that arrive while the disk is busy share the next write.
#[derive(Clone)]
pub struct Audit {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    authority_id: String,
    head: Arc<Mutex<Head>>,
    queue: Option<mpsc::Sender<Append>>,
    writer: Option<JoinHandle<()>>,
    ended: CancellationToken,
    meters: AuditMeters,
}

impl Audit {
    /// Opens `DIR/AUTHORITY_ID.log`, or begins it. Answers the changes that were begun and have no outcome:
    /// [`Changes`](super::Changes) wants them.
    ///
    /// A last line that a crash cut off is removed; nobody was told that it was written.
    ///
    /// # Errors
    ///
    /// [`AuditError::Open`], [`AuditError::InUse`], or [`AuditError::Broken`] when a record does not follow from the one before it.
    pub fn open(dir: &Path, authority_id: &str) -> Result<(Self, Vec<Intent>), AuditError> {
        let path = log_path(dir, authority_id);
        let failed = |source| AuditError::Open {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed)?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(AuditError::InUse { path }),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
            Ok(()) => {}
        }
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(failed)?;

        let report =
            scan(BufReader::new(&file), Position::start(authority_id), None).map_err(failed)?;
        if let Some(problem) = report.problem {
            return Err(AuditError::Broken { path, problem });
        }
        let len = file.metadata().map_err(failed)?.len() - report.torn;
        if report.torn > 0 {
            tracing::warn!(path = %path.display(), bytes = report.torn, "removing the last line of the audit log, which a crash cut off");
            file.set_len(len).map_err(failed)?;
        }
        // What a killed process left may be in memory alone, and from here on counts as written.
        file.sync_data().map_err(failed)?;

        let head = Arc::new(Mutex::new(Head {
            position: report.head,
            len,
        }));
        let (queue, records) = mpsc::channel(QUEUE);
        let writer = Writer::new(file, path.clone(), head.clone());
        let ended = CancellationToken::new();
        let writer = std::thread::Builder::new()
            .name("audit".into())
            .spawn({
                let panicked = ended.clone().drop_guard();
                move || {
                    writer.run(records);
                    panicked.disarm();
                }
            })
            .map_err(failed)?;
        let inner = Inner {
            path,
            authority_id: authority_id.to_owned(),
            head,
            queue: Some(queue),
            writer: Some(writer),
            ended,
            meters: AuditMeters::default(),
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            report.dangling,
        ))
    }

    /// Records what happens without a change of the store. When this answers, the record is on the disk.
    ///
    /// # Errors
    ///
    /// [`AuditError`]: it is not recorded, so it must not happen.
    pub async fn append(&self, event: Event) -> Result<Position, AuditError> {
        self.write(Body::Event { event }).await
    }

    /// The last record that is on the disk.
    #[must_use]
    pub fn head(&self) -> Position {
        self.inner.head().position
    }

    /// How long it is, bytes.
    pub(crate) fn len(&self) -> u64 {
        self.inner.head().len
    }

    pub(crate) fn meters(&self) -> &AuditMeters {
        &self.inner.meters
    }

    /// Returns when the thread that writes has ended before its time: nothing can be appended any more.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.inner.ended.clone().cancelled_owned()
    }

    /// Whose log it is.
    #[must_use]
    pub fn authority_id(&self) -> &str {
        &self.inner.authority_id
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Checks what is on the disk from the first record to the last; see [`verify`](super::verify). Changes that are under way
    /// count as dangling.
    ///
    /// # Errors
    ///
    /// [`AuditError::Open`] when it cannot be read.
    pub async fn verify(&self, mark: Option<Position>) -> Result<VerifyReport, AuditError> {
        let inner = self.inner.clone();
        let gone = CancellationToken::new();
        let _asked = gone.clone().drop_guard();
        let work = move || {
            // What lies beyond may be half written.
            let len = inner.head().len;
            let from = File::open(&inner.path)?.take(len);
            scan(
                BufReader::new(Wanted { from, gone }),
                Position::start(&inner.authority_id),
                mark,
            )
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|e| Err(io::Error::other(e)))
            .map_err(|source| AuditError::Open {
                path: self.inner.path.clone(),
                source,
            })
    }

    /// Records that a change begins.
    pub(super) async fn intent(&self, op: OpId, event: Event) -> Result<Position, AuditError> {
        self.write(Body::Intent { op, event }).await
    }

    /// Records what became of it.
    pub(super) async fn outcome(
        &self,
        time: u64,
        op: OpId,
        outcome: Outcome,
        revision: Option<Revision>,
    ) -> Result<Position, AuditError> {
        self.write(Body::Outcome {
            time,
            op,
            outcome,
            revision,
        })
        .await
    }

    async fn write(&self, body: Body) -> Result<Position, AuditError> {
        let mut waits = self.inner.meters.waits();
        let (answer, result) = oneshot::channel();
        let queue = self.inner.queue.as_ref().ok_or(AuditError::Closed)?;
        queue
            .send(Append { body, answer })
            .await
            .map_err(|_| AuditError::Closed)?;
        let written = result.await.map_err(|_| AuditError::Closed)??;
        waits.result = AuditResult::Written;
        Ok(written)
    }
}

impl Inner {
    fn head(&self) -> Head {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was queued is written, and the log is free for another process.
impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Where the log of an authority is.
#[must_use]
pub fn log_path(dir: &Path, authority_id: &str) -> PathBuf {
    dir.join(format!("{authority_id}.log"))
}
