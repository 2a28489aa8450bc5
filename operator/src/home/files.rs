//! Files for their owner alone: 0600 in folders of 0700, replaced in one step, refused where others can read them.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// Bounds what is read into memory: no file of ours comes near it.
const MAX_FILE: u64 = 1024 * 1024;

/// The file's bytes, or `None` where there is none.
pub(crate) fn read_private(path: &Path) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    let unreadable = || {
        format!(
            "{} cannot be read: run as its owner, or give another --home",
            path.display()
        )
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(unreadable),
    };
    let metadata = file.metadata().with_context(unreadable)?;
    check(path, &metadata)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    (&mut file)
        .take(MAX_FILE)
        .read_to_end(&mut bytes)
        .with_context(unreadable)?;
    Ok(Some(bytes))
}

fn check(path: &Path, metadata: &Metadata) -> anyhow::Result<()> {
    let path = path.display();
    if !metadata.is_file() {
        bail!("{path} is not a file: move it away, or give another --home");
    }
    if metadata.mode() & 0o077 != 0 {
        bail!(
            "{path} holds a secret and others can get at it: run `chmod 600 {path}`, and replace the secret if others could have read it"
        );
    }
    let me = rustix::process::geteuid();
    if !me.is_root() && metadata.uid() != me.as_raw() {
        bail!("{path} belongs to somebody else: run as its owner, or give another --home");
    }
    Ok(())
}

/// Writes a file, or leaves it as it was.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = new_file(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(dir)?.sync_all()
}

/// Finds out whether files can be written in `dir`.
pub(crate) fn try_write(dir: &Path) -> io::Result<()> {
    new_file(dir).map(drop)
}

/// Waits until nobody else has the lock of `dir`, and has it until the file is dropped.
pub(crate) fn lock(dir: &Path) -> io::Result<File> {
    make_dir(dir)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join(".lock"))?;
    file.lock()?;
    Ok(file)
}

fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A file without a place yet, 0600, in a folder that is made if need be.
fn new_file(dir: &Path) -> io::Result<NamedTempFile> {
    make_dir(dir)?;
    tempfile::Builder::new().prefix(".new-").tempfile_in(dir)
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

/// The names in a folder that may not be there.
pub(crate) fn names(dir: &Path) -> anyhow::Result<Vec<String>> {
    let unreadable = || {
        format!(
            "{} cannot be read: run as its owner, or give another --home",
            dir.display()
        )
    };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(unreadable)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.with_context(unreadable)?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}
