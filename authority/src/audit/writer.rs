use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::record::{Body, Head, MAX_LINE, encode};
use super::{AuditError, Position};

/// A record, and who waits for it.
pub(super) struct Append {
    pub(super) body: Body,
    pub(super) answer: oneshot::Sender<Result<Position, AuditError>>,
}

/// Records that share a write.
const GROUP: usize = 1024;

/// What a log is written to.
pub(super) trait Medium {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// The one thread that writes the log.
pub(super) struct Writer<M> {
    medium: M,
    path: PathBuf,
    head: Arc<Mutex<Head>>,
    /// Whether something lies beyond the head that nobody was told is written.
    dirty: bool,
}

impl<M: Medium> Writer<M> {
    pub(super) fn new(medium: M, path: PathBuf, head: Arc<Mutex<Head>>) -> Self {
        Self {
            medium,
            path,
            head,
            dirty: false,
        }
    }

    /// Runs until every sender is gone and the queue is empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Append>) {
        let mut group = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            group.push(first);
            while group.len() < GROUP {
                let Ok(next) = queue.try_recv() else { break };
                group.push(next);
            }
            self.write(&mut group);
        }
    }

    /// Writes the records, all or none, and answers everyone.
    pub(super) fn write(&mut self, group: &mut Vec<Append>) {
        let before = *self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        let mut last = before.position;
        let mut waiting = Vec::with_capacity(group.len());
        for Append { body, answer } in group.drain(..) {
            let (line, position) = encode(last, &body);
            if line.len() as u64 >= MAX_LINE {
                let _ = answer.send(Err(AuditError::TooLarge {
                    size: line.len(),
                    limit: MAX_LINE,
                }));
                continue;
            }
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
            last = position;
            waiting.push((answer, position));
        }
        match self.put(before.len, &bytes) {
            Ok(()) => {
                let head = Head {
                    position: last,
                    len: before.len + bytes.len() as u64,
                };
                *self.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
                for (answer, position) in waiting {
                    // Whoever does not wait any more does not need to know.
                    let _ = answer.send(Ok(position));
                }
            }
            Err(source) => {
                tracing::error!(path = %self.path.display(), error = %source, "cannot write the audit log");
                let source = Arc::new(source);
                for (answer, _) in waiting {
                    let _ = answer.send(Err(AuditError::Write {
                        path: self.path.clone(),
                        source: source.clone(),
                    }));
                }
            }
        }
    }

    /// After an error the log is cut back to `len`: at once if that works, or else before anything more is written.
    fn put(&mut self, len: u64, bytes: &[u8]) -> io::Result<()> {
        self.clean(len)?;
        self.dirty = true;
        let written = self.medium.append(bytes).and_then(|()| self.medium.sync());
        match written {
            Ok(()) => self.dirty = false,
            Err(_) => {
                let _ = self.clean(len);
            }
        }
        written
    }

    fn clean(&mut self, len: u64) -> io::Result<()> {
        if self.dirty {
            self.medium.cut(len)?;
            self.medium.sync()?;
            self.dirty = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
