use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::BackupError;
use super::line::{LAST_LEN, decode_last};

/// A backup's file while it is written: for its owner alone, and at its place once it is whole. Dropped, it is gone.
pub struct BackupFile {
    path: PathBuf,
    beside: PathBuf,
    file: File,
    /// The last bytes that were written.
    tail: Vec<u8>,
}

impl BackupFile {
    /// Begins a file that will be at `path`, where nothing may be.
    ///
    /// # Errors
    ///
    /// [`BackupError::Exists`] or [`BackupError::File`].
    pub fn create(path: &Path) -> Result<Self, BackupError> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(BackupError::Exists { path: path.into() });
        }
        let failed = |source| file_error("make", path, source);
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| failed(io::Error::other(error)))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", hex::encode(number)));
        let beside = PathBuf::from(beside);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(failed)?;
        Ok(Self {
            path: path.into(),
            beside,
            file,
            tail: Vec::new(),
        })
    }

    /// Writes what comes next.
    ///
    /// # Errors
    ///
    /// [`BackupError::File`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.file
            .write_all(bytes)
            .map_err(|source| file_error("write", &self.path, source))?;
        self.tail.extend_from_slice(bytes);
        let old = self.tail.len().saturating_sub(LAST_LEN);
        self.tail.drain(..old);
        Ok(())
    }

    /// Puts it into its place, on the disk. Replaces nothing.
    ///
    /// # Errors
    ///
    /// [`BackupError::Unfinished`], [`BackupError::Exists`] or [`BackupError::File`].
    pub fn finish(self) -> Result<(), BackupError> {
        if decode_last(&self.tail).is_none() {
            return Err(BackupError::Unfinished);
        }
        let placed = self
            .file
            .sync_all()
            .and_then(|()| fs::hard_link(&self.beside, &self.path));
        placed.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists {
                path: self.path.clone(),
            },
            _ => file_error("write", &self.path, source),
        })?;
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| file_error("write", &self.path, source))
    }
}

/// The name beside; what is in its place has another one.
impl Drop for BackupFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}

pub(super) fn file_error(what: &'static str, path: &Path, source: io::Error) -> BackupError {
    BackupError::File {
        what,
        path: path.into(),
        source,
    }
}
