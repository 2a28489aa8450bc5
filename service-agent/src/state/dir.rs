//! A directory whose files are replaced whole or not at all.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::secret_file::SecretFileError;

/// The agent's directory.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

/// The right to a directory, until it is dropped.
pub(crate) struct DirLock {
    _file: File,
}

/// The directory or a file in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refused.
    #[error("cannot {what} {}: {why}{}", .path.display(), remedy(.why))]
    Io {
        /// `read` or the like.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// Others can look into it.
    #[error("{} has mode {mode:04o}, so that others can get at the agent's key: chmod 0700 it", .path.display())]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// What it has.
        mode: u32,
    },
    /// Two agents cannot share a directory: each would spend what the other remembers.
    #[error("{} is in use by another agent: stop it, or give this one a directory of its own", .0.display())]
    InUse(PathBuf),
    /// The certificate without its key.
    #[error("{} is missing: restore it, or empty the directory and enrol again with a new join token", .0.display())]
    NoKey(PathBuf),
    /// The key cannot be read, or others can read it too.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// A file is not what this program wrote.
    #[error("{} is damaged ({why}): restore it, or empty the directory and enrol again with a new join token", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

fn remedy(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::PermissionDenied => "; run as a user who may, or choose another directory",
        _ => "",
    }
}

impl StateDir {
    /// The directory as it is, to look into it.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the directory where there is none, and takes it for this agent alone.
    pub(crate) fn open(path: &Path) -> Result<(Self, DirLock), StateError> {
        let failed = |what| move |why| io_error(what, path, why);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("make"))?;
        let mode = fs::metadata(path).map_err(failed("look at"))?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(StateError::OpenToOthers { path, mode });
        }
        let lock = File::create(path.join("lock")).map_err(failed("write to"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path.to_owned())),
            Err(TryLockError::Error(why)) => return Err(io_error("lock", path, why)),
        }
        Ok((Self(path.to_owned()), DirLock { _file: lock }))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The bytes of a file; `None` where there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(io_error("read", &path, why)),
        }
    }

    /// Replaces a file, mode 0600.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        write_atomically(&self.path(name), bytes)
    }

    pub(crate) fn damaged(&self, name: &str, why: impl fmt::Display) -> StateError {
        StateError::Damaged {
            path: self.path(name),
            why: format!("{why}"),
        }
    }
}

/// Replaces a file, mode 0600: whoever reads it finds all of the old bytes or all of the new ones, after a power cut too.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    replace(path, bytes).map_err(|why| io_error("write", path, why))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn io_error(what: &'static str, path: &Path, why: io::Error) -> StateError {
    StateError::Io {
        what,
        path: path.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_private_and_replaced_whole() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, _lock) = StateDir::open(&temp.path().join("a/b")).unwrap();
        assert!(dir.read("file").unwrap().is_none());
        fs::write(dir.path("file.new"), b"left behind by a crash").unwrap();
        for text in [&b"one"[..], b"two"] {
            dir.write("file", text).unwrap();
            assert_eq!(&dir.read("file").unwrap().unwrap()[..], text);
        }
        assert_eq!(
            fs::metadata(dir.path("file")).unwrap().mode() & 0o777,
            0o600
        );
        assert!(!dir.path("file.new").exists());
    }

    #[test]
    fn one_agent_has_the_directory_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state");
        let first = StateDir::open(&path).unwrap();
        assert!(matches!(StateDir::open(&path), Err(StateError::InUse(_))));
        drop(first);
        StateDir::open(&path).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_read_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let refused = StateDir::open(temp.path())
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("mode 0755") && refused.contains("chmod 0700"),
            "{refused}"
        );
    }
}
