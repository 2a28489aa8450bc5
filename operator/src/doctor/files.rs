//! Files and folders that only their owner may get at. They are looked at, and not read.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use super::finding::Finding;

/// Where systemd keeps what it hands over to units; only a unit sees its own (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS: &str = "/run/credentials";

/// What is expected of a file.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Dir,
    File,
}

/// A private file or folder. `owner` is whose it has to be, where that is known.
pub(super) fn private(
    check: &'static str,
    path: &Path,
    kind: Kind,
    owner: Option<u32>,
    missing: &str,
) -> Finding {
    match fs::metadata(path) {
        _ if path.starts_with(CREDENTIALS) => Finding::ok(
            check,
            path.display(),
            "is a credential of systemd, which is there while the unit runs: not looked at",
        ),
        Ok(found) => judge(check, path, kind, owner, &found),
        Err(why) => absent(check, path, &why, missing),
    }
}

fn absent(check: &'static str, path: &Path, why: &io::Error, missing: &str) -> Finding {
    let path = path.display();
    match why.kind() {
        io::ErrorKind::NotFound => Finding::error(check, path, "is missing", missing),
        _ => Finding::error(
            check,
            path,
            format!("cannot be looked at: {why}"),
            "run doctor as the user that the program runs as",
        ),
    }
}

fn judge(
    check: &'static str,
    path: &Path,
    kind: Kind,
    owner: Option<u32>,
    found: &Metadata,
) -> Finding {
    let shown = path.display();
    let (is_right, mode, word) = match kind {
        Kind::Dir => (found.is_dir(), 0o700, "a directory"),
        Kind::File => (found.is_file(), 0o600, "a file"),
    };
    if !is_right {
        return Finding::error(
            check,
            &shown,
            format!("is not {word}"),
            "move it away, or name another path",
        );
    }
    let has = found.mode() & 0o7777;
    if has & 0o077 != 0 {
        return Finding::error(
            check,
            &shown,
            format!("has mode {has:04o}: others can get at secrets"),
            format!("`chmod {mode:04o} {shown}`, and replace what others may have read"),
        );
    }
    if let Some(owner) = owner.filter(|owner| *owner != found.uid()) {
        return Finding::error(
            check,
            &shown,
            format!("belongs to user {}, not to user {owner}", found.uid()),
            format!(
                "`chown {owner} {shown}`, or run the program as user {}",
                found.uid()
            ),
        );
    }
    Finding::ok(
        check,
        shown,
        format!("mode {has:04o}, of user {}", found.uid()),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn a_credential_of_systemd_is_no_finding() {
        let path = Path::new("/run/credentials/cattery-authority.service/master.key");
        let found = private("key", path, Kind::File, None, "restore it");
        assert_eq!(found.state(), State::Ok);
    }

    #[test]
    fn private_is_what_nobody_else_gets_at() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("key");
        let look = |kind, owner| private("key", &path, kind, owner, "restore it").state();
        assert_eq!(look(Kind::File, None), State::Error);
        fs::write(&path, "secret").unwrap();
        let me = fs::metadata(&path).unwrap().uid();
        for (mode, state) in [
            (0o600, State::Ok),
            (0o400, State::Ok),
            (0o640, State::Error),
            (0o604, State::Error),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(look(Kind::File, Some(me)), state, "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(look(Kind::File, Some(me + 1)), State::Error);
        assert_eq!(look(Kind::Dir, None), State::Error);
    }
}
