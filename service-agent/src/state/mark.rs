//! The high-water mark: nothing below it is believed, whoever says it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{StateDir, StateError};

const FILE: &str = "seen.json";

/// How new a set of keys is. A restore of the cluster counts before an epoch's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// Counts restores of the cluster.
    pub(crate) incarnation: u64,
    /// The newest epoch.
    pub(crate) epoch: u32,
}

impl Mark {
    /// The mark on disk; the lowest one where there is none yet.
    pub(crate) fn load(dir: &StateDir) -> Result<Self, StateError> {
        match dir.read(FILE)? {
            None => Ok(Self::default()),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|why| dir.damaged(FILE, why)),
        }
    }

    pub(crate) fn save(self, dir: &StateDir) -> Result<(), StateError> {
        let text = format!(
            "{{\"incarnation\":{},\"epoch\":{}}}\n",
            self.incarnation, self.epoch
        );
        dir.write(FILE, text.as_bytes())
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "incarnation {}, epoch {}", self.incarnation, self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_orders_by_incarnation_first() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, _lock) = StateDir::open(&temp.path().join("state")).unwrap();
        assert_eq!(Mark::load(&dir).unwrap(), Mark::default());
        let mark = Mark {
            incarnation: 2,
            epoch: 7,
        };
        mark.save(&dir).unwrap();
        assert_eq!(Mark::load(&dir).unwrap(), mark);
        assert!(
            Mark {
                incarnation: 1,
                epoch: 9
            } < mark
        );
        dir.write(FILE, b"{").unwrap();
        assert!(
            Mark::load(&dir)
                .unwrap_err()
                .to_string()
                .contains("seen.json is damaged")
        );
    }
}
