//! Revoked ids, and which of them came of late.

use std::collections::VecDeque;
use std::sync::Arc;

use cattery_core::{Fingerprint, RevocationKey, RevokedIds};

use crate::position::Position;

/// Those who ask every few seconds for what is new find it here, in a storm of revocations too.
const MOST_RECENT: usize = 20_000;
const MOST_BATCHES: usize = 1_024;

/// What is revoked by its id. It never changes: another one takes its place, and shares what was there.
#[derive(Clone)]
pub(crate) struct Revoked {
    key: RevocationKey,
    ids: RevokedIds,
    /// What was added after this position is in `recent`.
    since: Position,
    /// The oldest first.
    recent: VecDeque<Batch>,
}

/// What one news added.
#[derive(Clone)]
struct Batch {
    position: Position,
    ids: Arc<[(Fingerprint, u64)]>,
}

impl Revoked {
    /// All that is revoked at this position.
    pub(crate) fn new(key: RevocationKey, ids: RevokedIds, position: Position) -> Self {
        Self {
            key,
            ids,
            since: position,
            recent: VecDeque::new(),
        }
    }

    /// The same, known as a whole at this position: nobody can tell what of it came when.
    pub(crate) fn whole(&self, position: Position) -> Self {
        Self::new(self.key, self.ids.clone(), position)
    }

    /// This and what was revoked until `position`.
    pub(crate) fn and(&self, added: Vec<(Fingerprint, u64)>, position: Position) -> Self {
        if added.is_empty() {
            return self.clone();
        }
        let mut all = self.clone();
        all.ids = self.ids.with(added.iter().copied());
        let ids = added.into();
        all.recent.push_back(Batch { position, ids });
        let mut recent: usize = all.recent.iter().map(|batch| batch.ids.len()).sum();
        while recent > MOST_RECENT || all.recent.len() > MOST_BATCHES {
            let Some(oldest) = all.recent.pop_front() else {
                break;
            };
            recent -= oldest.ids.len();
            all.since = oldest.position;
        }
        all
    }

    /// This without most of what has ended at `now` (Unix seconds); `None` where that is the same.
    pub(crate) fn without_ended(&self, now: u64) -> Option<Self> {
        let ids = self.ids.without_ended(now);
        (!ids.is_same(&self.ids)).then(|| Self {
            ids,
            ..self.clone()
        })
    }

    /// What ids are fingerprinted with.
    pub(crate) fn key(&self) -> &RevocationKey {
        &self.key
    }

    /// The fingerprints.
    pub(crate) fn ids(&self) -> &RevokedIds {
        &self.ids
    }

    /// What was added after this position; `None` where that is not known any more.
    pub(super) fn since(&self, position: Position) -> Option<Vec<(Fingerprint, u64)>> {
        let is_known = position.incarnation == self.since.incarnation && position >= self.since;
        is_known.then(|| {
            let after = self.recent.iter().filter(|batch| batch.position > position);
            after.flat_map(|batch| batch.ids.iter().copied()).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64) -> Position {
        Position {
            incarnation: 1,
            sequence,
        }
    }

    fn ids(numbers: std::ops::Range<u64>) -> Vec<(Fingerprint, u64)> {
        let id = |number: u64| {
            (
                Fingerprint([number.to_le_bytes(); 2].concat().try_into().unwrap()),
                9,
            )
        };
        numbers.map(id).collect()
    }

    fn empty() -> Revoked {
        Revoked::new(RevocationKey::from_bytes([1; 16]), RevokedIds::new(), at(4))
    }

    #[test]
    fn what_came_after_a_position_is_told() {
        let revoked = empty().and(ids(0..2), at(5)).and(ids(2..3), at(9));
        assert_eq!(revoked.since(at(4)), Some(ids(0..3)));
        for sequence in 5..9 {
            assert_eq!(revoked.since(at(sequence)), Some(ids(2..3)));
        }
        assert_eq!(revoked.since(at(9)), Some(vec![]));
        assert_eq!(revoked.since(at(3)), None);
        for incarnation in [0, 2] {
            let position = Position {
                incarnation,
                sequence: 5,
            };
            assert_eq!(revoked.since(position), None);
        }
        assert_eq!(revoked.ids().digest(0).0, 3);
    }

    #[test]
    fn little_is_remembered() {
        let mut revoked = empty();
        let mut sequence = 5;
        let mut add = |revoked: &mut Revoked, number: u64| {
            *revoked = revoked.and(ids(0..number), at(sequence));
            sequence += 1;
            sequence - 1
        };
        let first = add(&mut revoked, 10_000);
        let second = add(&mut revoked, 9_999);
        assert_eq!(revoked.since(at(first)).unwrap().len(), 9_999);
        add(&mut revoked, 10_000);
        assert_eq!(revoked.since(at(first - 1)), None);
        assert_eq!(revoked.since(at(first)).unwrap().len(), 19_999);
        assert_eq!(revoked.since(at(second)).unwrap().len(), 10_000);
        for _ in 0..2_000 {
            add(&mut revoked, 1);
        }
        assert_eq!(revoked.recent.len(), MOST_BATCHES);
    }

    #[test]
    fn what_has_ended_goes() {
        let revoked = empty().and(ids(0..3), at(5));
        assert!(revoked.without_ended(8).is_none());
        assert!(revoked.without_ended(9).unwrap().ids().is_empty());
    }
}
