//! Who can read a file that holds a secret.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Whether nobody but its owner can read this file, or systemd hands it over as a credential (`LoadCredential=`). That one may belong to
/// root and be readable by its group: systemd lets the unit's user read it by an ACL, which shows as the group's right (systemd.exec(5)).
#[must_use]
pub fn is_private(path: &Path, found: &Metadata) -> bool {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    is_private_beside(path, found, credentials.as_deref())
}

fn is_private_beside(path: &Path, found: &Metadata, credentials: Option<&Path>) -> bool {
    let mode = found.mode();
    let is_credential = || {
        mode & 0o037 == 0
            && is_ours_or_roots(found.uid())
            && credentials.is_some_and(|dir| is_in(path, dir))
    };
    mode & 0o077 == 0 || is_credential()
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

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_a_credential_may_be_readable_by_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "secret").unwrap();
        for (mode, alone, handed) in [
            (0o400, true, true),
            (0o440, false, true),
            (0o460, false, false),
            (0o444, false, false),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let found = fs::metadata(&path).unwrap();
            let is = |credentials| is_private_beside(&path, &found, credentials);
            assert_eq!(is(None), alone, "{mode:o}");
            assert_eq!(is(Some(other.path())), alone, "{mode:o}");
            assert_eq!(is(Some(dir.path())), handed, "{mode:o}");
        }
        // A link leads out of the directory, and a name in it proves nothing.
        fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
        let link = other.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let found = fs::metadata(&link).unwrap();
        assert!(!is_private_beside(&link, &found, Some(other.path())));
    }
}
