use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase as _, TableDefinition};

use super::super::StoreError;

/// Revision of the last change, and the value.
pub(super) const ENTRIES: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("entries");
/// Numbers about the store as a whole.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// The revision of the last change of all, in [`NUMBERS`].
pub(super) const REVISION: &str = "revision";
/// The layout of the tables, in [`NUMBERS`].
const FORMAT: &str = "format";
const FORMAT_VERSION: u64 = 1;

/// The open file. After a failed write redb refuses everything until the file is opened anew, which the next use does.
pub(super) struct DatabaseFile {
    path: PathBuf,
    database: RwLock<Option<Database>>,
}

impl DatabaseFile {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::of(path, open_database(path)?))
    }

    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(unavailable)?;
        let database = in_file(file).map_err(|e| from_redb(path, e))?;
        make_tables(&database).map_err(|e| from_redb(path, e))?;
        sync_folder(path).map_err(unavailable)?;
        Ok(Self::of(path, database))
    }

    fn of(path: &Path, database: Database) -> Self {
        Self {
            path: path.into(),
            database: RwLock::new(Some(database)),
        }
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
            work(database)
        };
        result.map_err(|error| {
            if !matches!(error, redb::Error::ValueTooLarge(_)) {
                *self
                    .database
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = None;
            }
            from_redb(&self.path, error)
        })
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut open = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            tracing::warn!(path = %self.path.display(), "opening the store anew after an error");
            *open = Some(open_database(&self.path)?);
        }
        Ok(())
    }
}

fn open_database(path: &Path) -> Result<Database, StoreError> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Missing { path: path.into() });
        }
        opened => opened.map_err(unavailable)?,
    };
    let meta = file.metadata().map_err(unavailable)?;
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::Exposed {
            path: path.into(),
            mode,
        });
    }
    if meta.len() == 0 {
        return Err(StoreError::Corrupt("its file is empty".into()));
    }
    let database = in_file(file).map_err(|e| from_redb(path, e))?;
    match read_format(&database).map_err(|e| from_redb(path, e))? {
        Some(FORMAT_VERSION) => Ok(database),
        _ => Err(StoreError::Corrupt(
            "it is not of the form that this version knows".into(),
        )),
    }
}

/// Locks the file, and repairs it after a crash.
fn in_file(file: File) -> Result<Database, redb::Error> {
    Ok(Builder::new().create_with_backend(FileBackend::new(file)?)?)
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
        redb::Error::Corrupted(why) => StoreError::Corrupt(why),
        redb::Error::UpgradeRequired(_) => {
            StoreError::Corrupt("its format is too old for this version".into())
        }
        redb::Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
            StoreError::Corrupt(e.to_string())
        }
        other => unavailable(other),
    }
}

pub(super) fn unavailable(
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable(error.into())
}
