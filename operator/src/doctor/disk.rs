//! Room on disks.

use std::path::Path;

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use super::finding::Finding;

/// Less, and the next write may fail.
const NEEDED: u64 = 1 << 20;
/// Less, and it is time to look.
const LITTLE: u64 = 64 << 20;

/// What a file system says.
struct Room {
    bytes: u64,
    inodes: Option<u64>,
    is_read_only: bool,
    is_writable: bool,
}

/// The room in `dir` for what is kept there, and whether this user could write it.
pub(super) fn check(dir: &Path) -> Finding {
    let subject = format!("the disk of {}", dir.display());
    match statvfs(dir) {
        Ok(found) => judge(
            &subject,
            &Room {
                bytes: found.f_bavail.saturating_mul(found.f_frsize),
                // Some file systems count none.
                inodes: (found.f_files != 0).then_some(found.f_favail),
                is_read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
                is_writable: access(dir, Access::WRITE_OK).is_ok(),
            },
        ),
        Err(why) => Finding::error(
            "disk",
            subject,
            format!("cannot be looked at: {why}"),
            "run doctor as a user who may, and name the right directory",
        ),
    }
}

fn judge(subject: &str, room: &Room) -> Finding {
    let error = |found: &str, remedy: &str| Finding::error("disk", subject, found, remedy);
    let mib = room.bytes >> 20;
    if room.is_read_only {
        return error(
            "is mounted read-only, and nothing can be kept there",
            "mount it writable; look at the kernel's log for errors of the disk first",
        );
    }
    if room.bytes < NEEDED {
        return error(
            &format!("is full: {} KiB are left", room.bytes >> 10),
            "make room, or give the directory a larger disk; nothing is lost, and it goes on by itself then",
        );
    }
    if room.inodes == Some(0) {
        return error("has no inodes left", "remove files that nobody needs");
    }
    if !room.is_writable {
        return Finding::warning(
            "disk",
            subject,
            "cannot be written to by whoever runs doctor",
            "run doctor as the user that the program runs as; if you did, correct the directory's owner",
        );
    }
    if room.bytes < LITTLE {
        return Finding::warning(
            "disk",
            subject,
            format!("is nearly full: {mib} MiB are left"),
            "make room, or give the directory a larger disk",
        );
    }
    Finding::ok("disk", subject, format!("{mib} MiB are left"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn what_cannot_be_written_is_broken_and_little_is_a_warning() {
        let room = |bytes, inodes, is_read_only, is_writable| {
            let room = Room {
                bytes,
                inodes,
                is_read_only,
                is_writable,
            };
            judge("it", &room).state()
        };
        assert_eq!(room(LITTLE, Some(5), false, true), State::Ok);
        assert_eq!(room(LITTLE, None, false, true), State::Ok);
        assert_eq!(room(LITTLE - 1, Some(5), false, true), State::Warning);
        assert_eq!(room(NEEDED - 1, Some(5), false, true), State::Error);
        assert_eq!(room(LITTLE, Some(0), false, true), State::Error);
        assert_eq!(room(LITTLE, Some(5), true, false), State::Error);
        assert_eq!(room(LITTLE, Some(5), false, false), State::Warning);
    }
}
