//! The high-water mark: nothing below it is believed, whoever says it.

use serde::{Deserialize, Serialize};

use super::{StateDir, StateError};
use crate::position::Position;

const FILE: &str = "seen.json";

/// How far the cluster had come when it was last believed. The two parts go up independently: a restore may begin its
/// sequence anew, and yet it numbers its epochs above every one that there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The newest position.
    pub(crate) position: Position,
    /// The newest epoch of any incarnation.
    pub(crate) epoch: u32,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    incarnation: u64,
    /// Not in files of version 0.1.0.
    #[serde(default)]
    sequence: u64,
    epoch: u32,
}

impl Mark {
    /// What has been seen once both have been.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            position: self.position.max(other.position),
            epoch: self.epoch.max(other.epoch),
        }
    }

    /// The mark on disk; the lowest one where there is none yet.
    pub(crate) fn load(dir: &StateDir) -> Result<Self, StateError> {
        let Some(bytes) = dir.read(FILE)? else {
            return Ok(Self::default());
        };
        let stored: Stored =
            serde_json::from_slice(&bytes).map_err(|why| dir.damaged(FILE, why))?;
        Ok(Self {
            position: Position {
                incarnation: stored.incarnation,
                sequence: stored.sequence,
            },
            epoch: stored.epoch,
        })
    }

    pub(crate) fn save(self, dir: &StateDir) -> Result<(), StateError> {
        let stored = Stored {
            incarnation: self.position.incarnation,
            sequence: self.position.sequence,
            epoch: self.epoch,
        };
        let mut text = serde_json::to_vec(&stored).map_err(|why| dir.damaged(FILE, why))?;
        text.push(b'\n');
        dir.write(FILE, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(incarnation: u64, sequence: u64, epoch: u32) -> Mark {
        let position = Position {
            incarnation,
            sequence,
        };
        Mark { position, epoch }
    }

    #[test]
    fn it_reads_back() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, _lock) = StateDir::open(&temp.path().join("state")).unwrap();
        assert_eq!(Mark::load(&dir).unwrap(), Mark::default());
        mark(2, 9, 7).save(&dir).unwrap();
        assert_eq!(Mark::load(&dir).unwrap(), mark(2, 9, 7));
        dir.write(FILE, b"{").unwrap();
        let damaged = Mark::load(&dir).unwrap_err().to_string();
        assert!(damaged.contains("seen.json is damaged"), "{damaged}");
    }

    #[test]
    fn a_file_of_the_first_version_has_no_sequence() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, _lock) = StateDir::open(&temp.path().join("state")).unwrap();
        dir.write(FILE, b"{\"incarnation\":2,\"epoch\":7}\n")
            .unwrap();
        assert_eq!(Mark::load(&dir).unwrap(), mark(2, 0, 7));
    }

    #[test]
    fn a_restore_begins_its_sequence_anew_and_takes_no_epoch_back() {
        assert_eq!(mark(1, 9, 7).and(mark(2, 1, 6)), mark(2, 1, 7));
        assert_eq!(mark(2, 1, 6).and(mark(1, 9, 7)), mark(2, 1, 7));
    }
}
