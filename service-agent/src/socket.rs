//! Unix sockets: bound with their mode from the first moment on, and taken over only from the dead.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

/// `sun_path` of unix(7) has 108 bytes, of which the last one ends the string.
pub(crate) const MAX_SOCKET_PATH: usize = 107;

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit.
    #[error(
        "{} has {} bytes; the path of a socket has at most {MAX_SOCKET_PATH}: choose a shorter one, /run/cattery/NAME.sock say",
        .0.display(), .0.as_os_str().len()
    )]
    TooLong(PathBuf),
    /// Somebody is there.
    #[error("{} is in use: another process answers on it. Stop it, or choose another path", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is there.
    #[error("{} is there already, and is not a socket: it is left alone. Choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {}: {why}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
}

/// A bound socket, whose file goes when this does.
pub(crate) struct BoundSocket {
    pub(crate) path: PathBuf,
    /// Device and inode: another process may have taken the path over since.
    file: Option<(u64, u64)>,
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        if self.file.is_some() && self.file == file_id(&self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn file_id(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Listens at `path`. Nobody that `mode` does not admit can connect at any time.
pub(crate) fn listen(path: &Path, mode: u32) -> Result<(UnixListener, BoundSocket), SocketError> {
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(SocketError::TooLong(path.to_owned()));
    }
    remove_stale(path)?;
    let failed = |why| SocketError::Io {
        path: path.to_owned(),
        why,
    };
    let listener = bind(path, mode).map_err(failed)?;
    let bound = BoundSocket {
        path: path.to_owned(),
        file: file_id(path),
    };
    // What the umask took away.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok((UnixListener::from_std(listener).map_err(failed)?, bound))
}

fn bind(path: &Path, mode: u32) -> io::Result<StdListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // On Linux the file that bind makes has this mode, less the umask.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, 1_024)?;
    Ok(socket.into())
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |why| SocketError::Io {
        path: path.to_owned(),
        why,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(failed(why)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match StdStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)
        }
        Err(why) if why.kind() != io::ErrorKind::WouldBlock => Err(failed(why)),
        Ok(_) | Err(_) => Err(SocketError::InUse(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_has_its_mode_and_goes_with_its_owner() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a.sock");
        for mode in [0o660, 0o600] {
            let (_listener, bound) = listen(&path, mode).unwrap();
            let found = std::fs::metadata(&bound.path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode);
            StdStream::connect(&path).unwrap();
        }
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a.sock");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_listener, _bound) = listen(&path, 0o600).unwrap();
        assert!(matches!(listen(&path, 0o600), Err(SocketError::InUse(_))));
        StdStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone_and_long_paths_are_explained() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(
            listen(&path, 0o600),
            Err(SocketError::NotASocket(_))
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let long = temp.path().join("x".repeat(200));
        let refused = listen(&long, 0o600).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("at most 107"), "{refused}");
    }
}
