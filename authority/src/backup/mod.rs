//! A backup: all that a cluster has to keep, as it was at one revision of its store, in one file.
//!
//! Lines of JSON. The first is the [`Header`]; one line for each entry follows, in the order of their keys; the last is a MAC over all
//! bytes before it, under a key that is derived from the cluster's master key. So whoever has not that key can change nothing in
//! it. Values that are secret stay sealed as they are in the store, and root keys are not in it at all: a restore makes a fresh
//! one, and what was retired stays gone.
//!
//! ```text
//! {"cattery_backup":1,"cluster_id":"…","incarnation":1,"revision":4711,…}
//! {"key":"service/photos","text":"{\"name\":\"photos\",…}"}
//! {"mac":"…"}
//! ```

mod error;
mod file;
mod header;
mod line;
mod mac;
mod read;
mod write;

pub use error::BackupError;
pub use file::BackupFile;
pub use header::{BACKUP_FORMAT, Header};
pub use line::Item;
pub use read::{Backup, Contents, Items};
pub use write::BackupWriter;

use crate::records::key;

/// What a new incarnation begins without: which authorities are alive and which leads, changes that are under way, where authorities are (each
/// announces itself when it starts), invitations (one that was used since would work again), root keys, the leases of their keys and which of
/// these agents must refuse, what was used once (the fresh epoch makes all of them void), how far the feed and the audit logs have come (the header has that).
const LEFT_OUT: [&str; 15] = [
    key::SESSIONS,
    key::LEADER,
    crate::audit::OPS,
    crate::audit::MARKS,
    key::AUTHORITIES,
    key::JOIN_TOKENS,
    key::ROOTS,
    key::LEAST_VERSIONS,
    key::LEASES,
    key::REVOKED,
    key::OWN_REVOKED,
    key::USED,
    key::SWEPT_USED,
    key::FEED,
    "restore/",
];

fn is_kept(key: &str) -> bool {
    !LEFT_OUT.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::is_kept;

    #[test]
    fn a_name_that_begins_like_what_is_left_out_is_kept() {
        for kept in [
            "service/leader",
            "user/op",
            "ca/1",
            "meta/epochs",
            "agent/7",
        ] {
            assert!(is_kept(kept), "{kept}");
        }
        for left in [
            "leader",
            "op/1",
            "root/0000000001",
            "meta/feed",
            "join/1",
            "lease/user/a//1",
            "revoked/1",
            "used/1",
            "swept/used",
        ] {
            assert!(!is_kept(left), "{left}");
        }
    }
}
