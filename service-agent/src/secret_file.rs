//! Secrets in files: those that nobody but their owner can read, and those that systemd hands over.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    read_with(path, most, credentials.as_deref())
}

fn read_with(
    path: &Path,
    most: usize,
    credentials: Option<&Path>,
) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let failed = |why| SecretFileError::Read {
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    let mode = found.mode() & 0o7777;
    let is_owners = mode & 0o077 == 0;
    // systemd gives a unit's user access with an ACL, which shows as the group's right to read.
    let is_credential = mode & 0o037 == 0
        && is_ours_or_roots(found.uid())
        && credentials.is_some_and(|dir| is_in(path, dir));
    if !is_owners && !is_credential {
        let path = path.to_owned();
        return Err(SecretFileError::OpenToOthers { path, mode });
    }
    read_all(file, most).map_err(failed)
}

fn is_ours_or_roots(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

fn is_in(path: &Path, dir: &Path) -> bool {
    match (path.canonicalize(), dir.canonicalize()) {
        (Ok(path), Ok(dir)) => path.parent() == Some(&*dir),
        _ => false,
    }
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
    fn a_file_is_its_owners_or_a_credential_of_systemd() {
        let temp = tempfile::tempdir().unwrap();
        let (inside, outside) = (temp.path().join("credentials"), temp.path().join("other"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        let read = |path: &Path| read_with(path, 6, Some(&inside));
        for (dir, mode, is_taken) in [
            (&outside, 0o400, true),
            (&outside, 0o440, false),
            (&inside, 0o440, true),
            (&inside, 0o460, false),
            (&inside, 0o444, false),
        ] {
            let path = dir.join(format!("{mode:o}"));
            write(&path, mode);
            assert_eq!(read(&path).is_ok(), is_taken, "{}", path.display());
        }
        // A link leads out of the directory, and a name into it proves nothing.
        let link = inside.join("link");
        std::os::unix::fs::symlink(outside.join("440"), &link).unwrap();
        assert!(matches!(
            read(&link),
            Err(SecretFileError::OpenToOthers { mode: 0o440, .. })
        ));
        assert!(read_with(&inside.join("440"), 6, None).is_err());
    }

    #[test]
    fn no_more_is_read_than_a_secret_can_have() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("secret");
        write(&path, 0o600);
        assert_eq!(&read_with(&path, 6, None).unwrap()[..], b"secret");
        let refused = read_with(&path, 5, None).unwrap_err().to_string();
        assert!(refused.contains("5 bytes at most"), "{refused}");
        assert!(read_all(io::repeat(1), 5).is_err());
    }
}
