//! Unix sockets: bound with their mode from the first moment on, and taken over only from the dead.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
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
    /// Somebody is taking it.
    #[error("{} is in use: another process is starting on it. Stop it, or choose another path", .0.display())]
    Contended(PathBuf),
    /// Something that is no socket is there.
    #[error("{} is there already, and is not a socket: it is left alone. Choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {}: {why}{}", .path.display(), remedy(.why))]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
}

fn remedy(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::NotFound => "; make its directory, or choose another path",
        io::ErrorKind::PermissionDenied => "; run as a user who may, or choose another path",
        _ => "",
    }
}

/// A bound socket, whose file goes when this does.
pub(crate) struct BoundSocket {
    pub(crate) path: PathBuf,
    /// Device and inode: another process may have taken the path over since.
    file: Option<(u64, u64)>,
}

impl BoundSocket {
    /// One whose file belongs to whoever bound it, and stays.
    pub(crate) fn of_another(path: PathBuf) -> Self {
        Self { path, file: None }
    }
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
    let failed = |why| SocketError::Io {
        path: path.to_owned(),
        why,
    };
    let _until_it_listens = lock(path)?;
    remove_stale(path)?;
    let listener = bind(path, mode).map_err(failed)?;
    let bound = BoundSocket {
        path: path.to_owned(),
        file: file_id(path),
    };
    // What the umask took away.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok((UnixListener::from_std(listener).map_err(failed)?, bound))
}

/// Two that find the same dead socket must not both replace it. The file stays: whoever removed it could remove the one that
/// another process has just locked.
fn lock(path: &Path) -> Result<OwnedFd, SocketError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |why: Errno| SocketError::Io {
        path: PathBuf::from(&name),
        why: why.into(),
    };
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(&name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(SocketError::Contended(path.to_owned())),
        Err(why) => Err(failed(why)),
    }
}

fn bind(path: &Path, mode: u32) -> io::Result<StdListener> {
    let socket = socket()?;
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
    match connect(path) {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(failed),
        // Somebody listens, too busy to accept.
        Ok(()) | Err(Errno::AGAIN) => Err(SocketError::InUse(path.to_owned())),
        Err(why) => Err(failed(why.into())),
    }
}

fn connect(path: &Path) -> Result<(), Errno> {
    rustix::net::connect(&socket()?, &SocketAddrUnix::new(path)?)
}

/// One that never blocks.
fn socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream as StdStream;

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
    async fn a_live_socket_whose_queue_is_full_is_in_use() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a.sock");
        let listener = socket().unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut waiting = Vec::new();
        loop {
            let client = socket().unwrap();
            let connected = rustix::net::connect(&client, &SocketAddrUnix::new(&path).unwrap());
            waiting.push(client);
            if connected == Err(Errno::AGAIN) {
                break;
            }
            connected.unwrap();
        }
        assert!(matches!(listen(&path, 0o600), Err(SocketError::InUse(_))));
    }

    #[tokio::test]
    async fn two_do_not_take_a_socket_at_the_same_time() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a.sock");
        let other = lock(&path).unwrap();
        let refused = listen(&path, 0o600).map(|_| ()).unwrap_err();
        assert!(matches!(refused, SocketError::Contended(_)), "{refused}");
        drop(other);
        listen(&path, 0o600).unwrap();
        let mode = std::fs::metadata(temp.path().join("a.sock.lock"))
            .unwrap()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
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
        let nowhere = temp.path().join("none/a.sock");
        let refused = listen(&nowhere, 0o600).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("make its directory"), "{refused}");
        let long = temp.path().join("x".repeat(200));
        let refused = listen(&long, 0o600).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("at most 107"), "{refused}");
    }
}
