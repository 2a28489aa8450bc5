//! Where a development cluster lies: a temporary directory, or one that is kept.

use std::{
    fs::{DirBuilder, Permissions},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::agent::MAX_SOCKET_PATH;

/// Room for `/authority/` and the name of a socket in it.
const SOCKET_NAME: usize = 32;

/// The directories of a development cluster.
pub(super) struct Place {
    dir: PathBuf,
    /// The same, by a path that leaves room for those of sockets.
    short: PathBuf,
    kept: bool,
    temporary: Vec<TempDir>,
}

impl Place {
    pub(super) fn claim(dir: Option<PathBuf>) -> anyhow::Result<Self> {
        let kept = dir.is_some();
        let mut temporary = Vec::new();
        let dir = match dir {
            Some(dir) => {
                let unusable = || format!("{} cannot be used as a directory", dir.display());
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&dir)
                    .with_context(unusable)?;
                let mode = dir.metadata().with_context(unusable)?.mode() & 0o7777;
                if mode & 0o022 != 0 {
                    bail!(
                        "others may write to {} (mode {mode:04o}): chmod 700 it",
                        dir.display()
                    );
                }
                dir.canonicalize().with_context(unusable)?
            }
            None => make_temporary(&std::env::temp_dir(), &mut temporary)?,
        };
        let mut short = dir.clone();
        if dir.as_os_str().as_bytes().len() > MAX_SOCKET_PATH - SOCKET_NAME {
            short = make_temporary(Path::new("/tmp"), &mut temporary)?.join("dev");
            symlink(&dir, &short).context("no symbolic link can be made in /tmp")?;
        }
        Ok(Self {
            dir,
            short,
            kept,
            temporary,
        })
    }

    /// Removes what is temporary.
    pub(super) fn remove(self) -> anyhow::Result<()> {
        for dir in self.temporary {
            let path = dir.path().to_owned();
            dir.close().with_context(|| {
                format!("{} cannot be removed: remove it by hand", path.display())
            })?;
        }
        Ok(())
    }

    /// The directory of it all.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether it stays.
    pub(super) fn is_kept(&self) -> bool {
        self.kept
    }

    /// The authority's directory.
    pub(super) fn authority(&self) -> PathBuf {
        self.short.join("authority")
    }

    /// The key file that seals the authority's store.
    pub(super) fn key_file(&self) -> PathBuf {
        self.dir.join("master.key")
    }

    /// The agent's directory.
    pub(super) fn agent(&self) -> PathBuf {
        self.short.join("agent")
    }

    /// The agent's socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.agent().join("agent.sock")
    }

    /// Where alice and the operator are at home.
    pub(super) fn home(&self) -> PathBuf {
        self.dir.join("home")
    }
}

fn make_temporary(base: &Path, all: &mut Vec<TempDir>) -> anyhow::Result<PathBuf> {
    let made = tempfile::Builder::new()
        .prefix("cattery-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(base);
    let made =
        made.with_context(|| format!("no temporary directory can be made in {}", base.display()))?;
    let path = made.path().to_owned();
    all.push(made);
    Ok(path)
}
