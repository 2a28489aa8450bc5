use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase as _, TableDefinition};
use tokio_util::sync::CancellationToken;

use super::super::StoreError;

/// Revision of the last change, and the value.
pub(super) const ENTRIES: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("entries");
/// Numbers about the store as a whole.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// The session with whose end an entry vanishes.
pub(super) const SESSIONS: TableDefinition<'_, &str, i64> = TableDefinition::new("sessions");
/// The revision of the last change of all, in [`NUMBERS`].
pub(super) const REVISION: &str = "revision";
/// The layout of the tables, in [`NUMBERS`].
const FORMAT: &str = "format";
const FORMAT_VERSION: u64 = 1;

/// The open file. After a write for which there was no room redb refuses everything until the file is opened anew, which
/// the next use does. After any other failure nobody knows what is on the disk, and the file is not used again.
pub(super) struct DatabaseFile {
    path: PathBuf,
    database: RwLock<Option<Database>>,
    ended: CancellationToken,
}

impl DatabaseFile {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::of(path, open_database(path)?))
    }

    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File {
            what: "make",
            path: path.into(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let made = guarded(|| {
            let database = in_file(file)?;
            make_tables(&database)?;
            Ok(database)
        });
        let database = made.map_err(|e| from_redb(path, e))?;
        sync_folder(path).map_err(failed)?;
        Ok(Self::of(path, database))
    }

    fn of(path: &Path, database: Database) -> Self {
        Self {
            path: path.into(),
            database: RwLock::new(Some(database)),
            ended: CancellationToken::new(),
        }
    }

    /// Cancelled when the file can be used no longer.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Whether it is open, and nobody is about to close it.
    pub(super) fn is_open(&self) -> bool {
        self.database.try_read().is_ok_and(|open| open.is_some())
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let result = {
            let mut open = self.database.read().unwrap_or_else(PoisonError::into_inner);
            if open.is_none() {
                drop(open);
                self.reopen()?;
                open = self.database.read().unwrap_or_else(PoisonError::into_inner);
            }
            let database = open
                .as_ref()
                .ok_or_else(|| unavailable("it was just closed after an error"))?;
            guarded(|| work(database))
        };
        result.map_err(|error| {
            match after(&error) {
                After::GoOn => {}
                After::OpenAnew => self.close(),
                After::End => {
                    let path = self.path.display();
                    tracing::error!(%path, %error, "the store cannot be used any more");
                    self.ended.cancel();
                    self.close();
                }
            }
            from_redb(&self.path, error)
        })
    }

    /// Reads in a transaction that was begun before. The file may have been opened anew since: then this fails, and what that
    /// means was seen by whoever had the error.
    pub(super) fn look<T>(
        &self,
        work: impl FnOnce() -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        guarded(work).map_err(|error| from_redb(&self.path, error))
    }

    fn close(&self) {
        // Held until the file is free to be opened anew.
        let mut open = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let database = open.take();
        // What closing writes can fail as the work did.
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut open = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if self.ended.is_cancelled() {
            return Err(unavailable(
                "its disk failed or its file is damaged; the log has the reason: repair it, then restart the authority",
            ));
        }
        if open.is_none() {
            tracing::warn!(path = %self.path.display(), "opening the store anew after an error");
            *open = Some(open_database(&self.path)?);
        }
        Ok(())
    }
}

/// What an error means for the next use.
#[derive(Debug, PartialEq, Eq)]
enum After {
    GoOn,
    OpenAnew,
    End,
}

/// After a failed sync the kernel may take for written what never was, and a second one succeeds. So only a disk that was
/// full, which says so before it takes anything, is tried again.
fn after(error: &redb::Error) -> After {
    match error {
        redb::Error::ValueTooLarge(_) => After::GoOn,
        // What the first failure means was seen by whoever had it.
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => After::OpenAnew,
        redb::Error::Io(error) => match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::QuotaExceeded => After::OpenAnew,
            _ => After::End,
        },
        _ => After::End,
    }
}

fn open_database(path: &Path) -> Result<Database, StoreError> {
    let failed = |source| StoreError::File {
        what: "open",
        path: path.into(),
        source,
    };
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Missing { path: path.into() });
        }
        opened => opened.map_err(failed)?,
    };
    let meta = file.metadata().map_err(failed)?;
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::Exposed {
            path: path.into(),
            mode,
        });
    }
    if meta.len() == 0 {
        return Err(damaged(path, "is empty"));
    }
    let opened = guarded(|| {
        let database = in_file(file)?;
        let format = read_format(&database)?;
        Ok((database, format))
    });
    match opened.map_err(|e| from_redb(path, e))? {
        (database, Some(FORMAT_VERSION)) => Ok(database),
        _ => Err(damaged(path, "is not of the form that this version knows")),
    }
}

/// Locks the file, repairs it after a crash, and checks all of it: redb panics on damage that it does not look for.
fn in_file(file: File) -> Result<Database, redb::Error> {
    Ok(Builder::new()
        .set_check_integrity_on_open(true)
        .create_with_backend(FileBackend::new(file)?)?)
}

/// Where redb panics all the same, the file is damaged.
fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(redb::Error::Corrupted(
            "its pages do not fit together".into(),
        ))
    })
}

fn read_format(database: &Database) -> Result<Option<u64>, redb::Error> {
    let numbers = match database.begin_read()?.open_table(NUMBERS) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        opened => opened?,
    };
    Ok(numbers.get(FORMAT)?.map(|format| format.value()))
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(SESSIONS)?;
    transaction
        .open_table(NUMBERS)?
        .insert(FORMAT, FORMAT_VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn from_redb(path: &Path, error: redb::Error) -> StoreError {
    match error {
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse { path: path.into() },
        redb::Error::Corrupted(why) => {
            damaged(path, &format!("does not hold what was written ({why})"))
        }
        redb::Error::UpgradeRequired(_) => {
            damaged(path, "has a format that is too old for this version")
        }
        redb::Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
            damaged(path, &format!("is no store ({e})"))
        }
        redb::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            damaged(path, "is cut short")
        }
        other => unavailable(other),
    }
}

fn damaged(path: &Path, how: &str) -> StoreError {
    StoreError::Corrupt(format!("{} {how}", path.display()))
}

pub(super) fn unavailable(
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, DatabaseFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = DatabaseFile::create(&dir.path().join("s")).unwrap();
        (dir, file)
    }

    #[test]
    fn a_full_disk_is_tried_again() {
        let (_dir, file) = file();
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert!(file.with(|_| Err::<(), _>(full().into())).is_err());
        assert!(!file.ended().is_cancelled());
        assert!(!file.is_open());
        file.with(|_| Ok(())).unwrap();
        assert!(file.is_open());
    }

    #[test]
    fn a_disk_that_failed_is_the_end() {
        let (_dir, file) = file();
        let error = file.with(|_| Err::<(), _>(io::Error::from_raw_os_error(5).into()));
        assert!(matches!(error, Err(StoreError::Unavailable(_))));
        assert!(file.ended().is_cancelled());
        assert!(file.with(|_| Ok(())).is_err());
    }
}
