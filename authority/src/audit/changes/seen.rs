//! How far this authority has ever seen its store, in a file beside its log. The log knows of its own changes alone, and a store that
//! several authorities share can be put back to a state that is older than what the others did.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::StorePlace;

/// The file, by the log's path.
pub(super) fn path(log: &Path) -> PathBuf {
    log.with_extension("seen")
}

/// What it says. What cannot be read says nothing: the log and the agents know better.
pub(super) fn read(path: &Path) -> Option<StorePlace> {
    let read = fs::read(path).map(|text| serde_json::from_slice(&text));
    match read {
        Ok(Ok(place)) => Some(place),
        Ok(Err(error)) => {
            tracing::warn!(path = %path.display(), %error, "how far the store was seen cannot be read");
            None
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "how far the store was seen cannot be read");
            None
        }
    }
}

/// Replaces it in one step.
pub(super) fn write(path: &Path, place: StorePlace) -> io::Result<()> {
    let new = path.with_extension("seen.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&super::op::json(&place))?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
