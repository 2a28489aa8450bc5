//! The authority's own Unix socket, for its owner alone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::StartError;

/// Where an authority in `dir` takes a passphrase.
pub fn socket_path(dir: &Path) -> PathBuf {
    dir.join("authority.sock")
}

/// unix(7): `sun_path` has 108 bytes, with a zero at its end.
const MOST: usize = 107;

pub(super) struct Socket {
    listener: UnixListener,
    path: Removed,
}

/// A path that is removed on drop.
pub(super) struct Removed(PathBuf);

impl Socket {
    /// Binds under another name first, so that nobody can connect before the mode admits its owner only, and replaces what
    /// an authority that was killed left behind: the store's lock says that there is no other one.
    pub(super) fn bind(dir: &Path) -> Result<Self, StartError> {
        let path = socket_path(dir);
        let len = path.as_os_str().as_bytes().len();
        if len > MOST {
            return Err(StartError::SocketPath {
                path,
                len,
                most: MOST,
            });
        }
        // An extension that is not longer than the socket's.
        let made = beside(&path, "new", |new| {
            let listener = UnixListener::bind(new)?;
            fs::set_permissions(new, Permissions::from_mode(0o600))?;
            Ok(listener)
        });
        match made {
            Ok(listener) => Ok(Self {
                listener,
                path: Removed(path),
            }),
            Err(source) => Err(StartError::File { path, source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path.0
    }

    pub(super) fn into_parts(self) -> (UnixListener, Removed) {
        (self.listener, self.path)
    }
}

impl Removed {
    /// Takes over a file, which need not be there.
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = remove(&self.0);
    }
}

/// Makes a file under another extension, where something stale may be, and gives it its name once it is whole.
pub(super) fn beside<T>(
    path: &Path,
    extension: &str,
    make: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let new = path.with_extension(extension);
    remove(&new)?;
    let made = make(&new)?;
    fs::rename(&new, path)?;
    Ok(made)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
