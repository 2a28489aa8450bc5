//! Secrets in files: those that nobody but their owner can read, and those that systemd hands over.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cattery_sdk::systemd::is_private;
use zeroize::Zeroizing;

/// Why a secret is not taken from a file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The system refused.
    #[error("cannot read {}: {why}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// It is no secret any more.
    #[error("{} has mode {mode:04o}, so that others can read it: chmod 0400 it, and replace the secret if that matters", .path.display())]
    OpenToOthers {
        /// Which file.
        path: PathBuf,
        /// What it has.
        mode: u32,
    },
}

/// All of a file of at most `most` bytes.
pub(crate) fn read(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let failed = |why| SecretFileError::Read {
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !is_private(path, &found) {
        return Err(SecretFileError::OpenToOthers {
            path: path.to_owned(),
            mode: found.mode() & 0o7777,
        });
    }
    read_all(file, most).map_err(failed)
}

/// Into a buffer that never grows, so that no copy stays behind.
pub(crate) fn read_all(mut from: impl Read, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; most + 1]);
    let mut len = 0;
    while len <= most {
        match from.read(&mut bytes[len..]) {
            Ok(0) => {
                bytes.truncate(len);
                return Ok(bytes);
            }
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!(
        "it is too long: {most} bytes at most"
    )))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(path: &Path, mode: u32) {
        fs::write(path, "secret").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("secret");
        for (mode, is_taken) in [(0o400, true), (0o600, true), (0o440, false), (0o604, false)] {
            write(&path, mode);
            assert_eq!(read(&path, 6).is_ok(), is_taken, "{mode:o}");
        }
    }

    #[test]
    fn no_more_is_read_than_a_secret_can_have() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("secret");
        write(&path, 0o600);
        assert_eq!(&read(&path, 6).unwrap()[..], b"secret");
        let refused = read(&path, 5).unwrap_err().to_string();
        assert!(refused.contains("5 bytes at most"), "{refused}");
        assert!(read_all(io::repeat(1), 5).is_err());
    }
}
