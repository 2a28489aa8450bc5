//! What was revoked by id, as agents hear of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cattery_core::{Fingerprint, RevocationKey};

use crate::failure::Failure;
use crate::records::{Record as _, RevokedRecord, key};
use crate::store::{Revision, View};

/// Most ids in one message: a third of a megabyte.
const MOST_TOLD: usize = 10_000;

/// All of it, the latest last. There may be a great many, and few are new: what was read once is shared from news to news.
#[derive(Default)]
pub(crate) struct Revoked(Vec<Arc<Batch>>);

/// What one change revoked.
struct Batch {
    changed: u64,
    revision: Revision,
    entries: Vec<RevokedFingerprint>,
}

/// One id, as agents are told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RevokedFingerprint {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) ends_at: u64,
}

/// As much as fits into one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) told: Vec<RevokedFingerprint>,
    /// The last change that is in it, if there are more behind it.
    pub(crate) more_after: Option<u64>,
}

impl Revoked {
    /// Reads what the store had, and takes over what was read `before`.
    pub(super) fn read(
        view: &View,
        revocation_key: &RevocationKey,
        before: &Self,
    ) -> Result<Self, Failure> {
        let mut known = before.0.iter().peekable();
        let mut batches = Vec::with_capacity(before.0.len());
        for entry in view.below(key::REVOKED) {
            // Both are in the order of their changes, and so of their revisions.
            while known
                .next_if(|batch| batch.revision < entry.revision)
                .is_some()
            {}
            let same = known.next_if(|batch| batch.revision == entry.revision);
            batches.push(match same {
                Some(batch) => batch.clone(),
                None => {
                    let record = RevokedRecord::decode(&entry.key, &entry.value)?;
                    Arc::new(Batch::new(&record, entry.revision, revocation_key))
                }
            });
        }
        Ok(Self(batches))
    }

    /// How many ids it keeps; some may have ended.
    pub(crate) fn kept(&self) -> usize {
        self.0.iter().map(|batch| batch.entries.len()).sum()
    }

    /// What was revoked after that place and has not ended, the oldest first.
    pub(crate) fn since(&self, changed: u64, now: u64) -> Chunk {
        let from = self.0.partition_point(|batch| batch.changed <= changed);
        let mut told = Vec::new();
        let mut last = changed;
        for batch in self.0.iter().skip(from) {
            let entries = batch.entries.iter().filter(|told| told.ends_at > now);
            if !told.is_empty() && told.len() + entries.clone().count() > MOST_TOLD {
                return Chunk {
                    told,
                    more_after: Some(last),
                };
            }
            told.extend(entries);
            last = batch.changed;
        }
        Chunk {
            told,
            more_after: None,
        }
    }

    /// Those of these that are revoked, each with the first change that did it.
    pub(crate) fn among(&self, wanted: &HashSet<Fingerprint>) -> HashMap<Fingerprint, u64> {
        let mut found = HashMap::new();
        for batch in &self.0 {
            for told in &batch.entries {
                if wanted.contains(&told.fingerprint) {
                    found.entry(told.fingerprint).or_insert(batch.changed);
                }
            }
        }
        found
    }
}

impl Batch {
    fn new(record: &RevokedRecord, revision: Revision, revocation_key: &RevocationKey) -> Self {
        let entries = record.entries.iter().map(|entry| RevokedFingerprint {
            fingerprint: revocation_key.fingerprint(&entry.principal, &entry.id.into()),
            ends_at: entry.ends_at,
        });
        Self {
            changed: record.changed,
            revision,
            entries: entries.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::records::{Hex, RevocableIdRecord, RevokedEntry};
    use crate::store::Entry;

    const KEY: RevocationKey = RevocationKey::from_bytes([7; 16]);

    fn record(changed: u64, ends: &[u64]) -> RevokedRecord {
        let entry = |(number, ends_at): (usize, &u64)| RevokedEntry {
            principal: "user/alice".into(),
            id: RevocableIdRecord::Token(Hex((number as u128).to_be_bytes())),
            ends_at: *ends_at,
        };
        RevokedRecord {
            changed,
            entries: ends.iter().enumerate().map(entry).collect(),
        }
    }

    /// Each with its own number as its revision.
    fn view(records: &[RevokedRecord]) -> View {
        let entries = records.iter().map(|record| {
            let key = key::revoked(record.changed);
            let entry = Entry {
                key: key.clone(),
                value: record.encode(),
                revision: record.changed,
            };
            (key, Arc::new(entry))
        });
        View {
            entries: Arc::new(entries.collect::<BTreeMap<_, _>>()),
            revision: 1,
        }
    }

    fn read(records: &[RevokedRecord]) -> Revoked {
        Revoked::read(&view(records), &KEY, &Revoked::default()).unwrap()
    }

    #[test]
    fn what_was_read_is_shared_and_what_is_gone_is_not_kept() {
        let all: Vec<_> = (1..=6).map(|changed| record(changed, &[100])).collect();
        let before = read(&all[..4]);
        let later = [&all[1..3], &all[4..]].concat();
        let after = Revoked::read(&view(&later), &KEY, &before).unwrap();
        let changes: Vec<_> = after.0.iter().map(|batch| batch.changed).collect();
        assert_eq!(changes, [2, 3, 5, 6]);
        let shared = |batch: &&Arc<Batch>| before.0.iter().any(|old| Arc::ptr_eq(old, batch));
        assert_eq!(after.0.iter().filter(shared).count(), 2);
    }

    #[test]
    fn chunks_come_one_after_the_other_and_leave_out_what_has_ended() {
        let records: Vec<_> = (1..=41)
            .map(|changed| record(changed, &[100; 500]))
            .collect();
        let revoked = read(&records);
        let (mut place, mut sizes) = (0, Vec::new());
        loop {
            let chunk = revoked.since(place, 99);
            sizes.push(chunk.told.len());
            match chunk.more_after {
                Some(after) => place = after,
                None => break,
            }
        }
        assert_eq!(sizes, [10_000, 10_000, 500]);
        assert!(revoked.since(41, 0).told.is_empty());
        assert_eq!(revoked.since(40, 0).told.len(), 500);
        let over = revoked.since(0, 100);
        assert_eq!((over.told.len(), over.more_after), (0, None));
        let mixed = read(&[record(1, &[5, 6, 7])]);
        assert_eq!(mixed.since(0, 6).told.len(), 1);
    }

    #[test]
    fn ids_are_found_with_the_change_that_revoked_them() {
        let revoked = read(&[record(3, &[9]), record(5, &[9, 9])]);
        let print = |number: u128| {
            let id = RevocableIdRecord::Token(Hex(number.to_be_bytes()));
            KEY.fingerprint("user/alice", &id.into())
        };
        let wanted = HashSet::from([print(0), print(1), print(2)]);
        let found = revoked.among(&wanted);
        assert_eq!(found, HashMap::from([(print(0), 3), (print(1), 5)]));
    }
}
