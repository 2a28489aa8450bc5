use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::InitError;
use crate::config;

/// The embedded store, in the authority's directory.
pub const STORE_FILE: &str = "store.redb";
/// The folder of audit logs, in the authority's directory.
pub const AUDIT_DIR: &str = "audit";
/// Where everything is made.
const WORKSHOP: &str = ".init";

/// A directory that no other `init` touches while this lives.
pub(crate) struct Place {
    dir: PathBuf,
    lock: File,
}

impl Place {
    /// Takes a directory that holds no cluster, and clears away what an `init` that was cut off left there.
    pub(crate) fn claim(dir: &Path) -> Result<Self, InitError> {
        let failed = |what| {
            move |source| InitError::File {
                what,
                path: dir.into(),
                source,
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed("make"))?;
        let lock = File::open(dir).map_err(failed("open"))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(InitError::Busy { dir: dir.into() }),
            Err(TryLockError::Error(e)) => return Err(failed("lock")(e)),
            Ok(()) => {}
        }
        let mode = lock.metadata().map_err(failed("read"))?.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(InitError::Exposed {
                dir: dir.into(),
                mode,
            });
        }
        if dir.join(config::FILE).exists() {
            return Err(InitError::Exists { dir: dir.into() });
        }
        let place = Self {
            dir: dir.into(),
            lock,
        };
        place.clear_unfinished()?;
        for path in [place.dir.join(STORE_FILE), place.dir.join(AUDIT_DIR)] {
            if path.exists() {
                return Err(InitError::Leftover { path });
            }
        }
        place.step("make", &place.dir.join(WORKSHOP), |path| {
            DirBuilder::new().mode(0o700).create(path)
        })?;
        Ok(place)
    }

    /// The store while it is made.
    pub(crate) fn new_store(&self) -> PathBuf {
        self.dir.join(WORKSHOP).join(STORE_FILE)
    }

    /// The folder of audit logs while it is made.
    pub(crate) fn new_audit(&self) -> PathBuf {
        self.dir.join(WORKSHOP).join(AUDIT_DIR)
    }

    /// Writes `authority.toml` where it does not count yet.
    pub(crate) fn write_config(&self, config: &str) -> Result<(), InitError> {
        let workshop = self.dir.join(WORKSHOP);
        self.step("write", &workshop.join(config::FILE), |path| {
            write_through(path, config)
        })?;
        self.step("write", &workshop, sync_dir)
    }

    /// Moves everything into place. The cluster is there once `authority.toml` is.
    pub(crate) fn finish(self) -> Result<(), InitError> {
        let workshop = self.dir.join(WORKSHOP);
        let made = workshop.join(config::FILE);
        let names = [STORE_FILE, AUDIT_DIR].into_iter();
        for name in names.filter(|name| workshop.join(name).exists()) {
            self.step("move into place", &workshop.join(name), |from| {
                fs::rename(from, self.dir.join(name))
            })?;
        }
        self.step("write", &self.dir, sync_dir)?;
        self.step("move into place", &made, |from| {
            fs::rename(from, self.dir.join(config::FILE))
        })?;
        self.step("write", &self.dir, sync_dir)?;
        // Which may be as new as what is in it.
        if let Some(parent) = self.dir.parent() {
            self.step("write", parent, sync_dir)?;
        }
        // An empty folder does no harm.
        let _ = fs::remove_dir(&workshop);
        Ok(())
    }

    /// While `.init/authority.toml` is there, what lies beside it was never a cluster that could start. Without it nothing has left `.init`.
    fn clear_unfinished(&self) -> Result<(), InitError> {
        let workshop = self.dir.join(WORKSHOP);
        if workshop.join(config::FILE).exists() {
            let gone = |result: io::Result<()>| match result {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            };
            self.step("remove", &self.dir.join(STORE_FILE), |path| {
                gone(fs::remove_file(path))
            })?;
            self.step("remove", &self.dir.join(AUDIT_DIR), |path| {
                gone(fs::remove_dir_all(path))
            })?;
            self.step("write", &self.dir, sync_dir)?;
        }
        if workshop.exists() {
            self.step("remove", &workshop, |path| fs::remove_dir_all(path))?;
        }
        Ok(())
    }

    fn step(
        &self,
        what: &'static str,
        path: &Path,
        work: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), InitError> {
        work(path).map_err(|source| InitError::File {
            what,
            path: path.into(),
            source,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

fn write_through(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
