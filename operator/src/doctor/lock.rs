//! Who has locked a file, without trying to.

use std::{fmt, fs, os::unix::fs::MetadataExt as _, path::Path};

/// What the kernel tells where a lock belongs to an open file, as a database's may, and to no process.
const NOBODYS: &str = "-1";

/// The process that has a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pid: String,
    name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid.as_str() {
            NOBODYS => f.write_str("a process that the kernel does not name"),
            pid => write!(f, "process {pid} ({})", self.name),
        }
    }
}

/// The one that has locked the file at `path`, as the kernel tells (proc_locks(5)).
pub(super) fn holder(path: &Path) -> Option<Holder> {
    let inode = fs::metadata(path).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| pid(line, inode))?.to_owned();
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Holder {
        name: match name.trim() {
            "" => "of another user or container".to_owned(),
            name => name.to_owned(),
        },
        pid,
    })
}

/// `1: FLOCK  ADVISORY  WRITE 708 00:2d:13 0 EOF`: the device is not compared, since some file systems tell programs another one.
fn pid(line: &str, inode: u64) -> Option<&str> {
    let mut fields = line.split_whitespace().skip(4);
    let (pid, place) = (fields.next()?, fields.next()?);
    let of = place.rsplit(':').next()?;
    (of.parse() == Ok(inode)).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_who_has_a_lock() {
        let line = "1: FLOCK  ADVISORY  WRITE 708 fe:00:1317 0 EOF";
        assert_eq!((pid(line, 1317), pid(line, 13)), (Some("708"), None));
        assert_eq!(pid("2: -> FLOCK", 1317), None);
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        let file = fs::File::create(&path).unwrap();
        assert_eq!(holder(&path), None);
        file.lock().unwrap();
        assert_eq!(holder(&path).unwrap().pid, std::process::id().to_string());
    }
}
