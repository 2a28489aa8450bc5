//! A part of the memory: the marks of some principals.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use cattery_core::Use;

use super::Shares;

/// Whose shares a mark takes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    mark: [u8; 32],
    token: [u8; 32],
    lease: (Arc<str>, [u8; 8]),
}

#[derive(Default)]
pub(super) struct Shard {
    marks: HashSet<[u8; 32]>,
    /// The one to forget first on top: (last second that it is needed, whose it is).
    by_end: BinaryHeap<Reverse<(u64, Owner)>>,
    of_token: HashMap<[u8; 32], usize>,
    of_lease: HashMap<(Arc<str>, [u8; 8]), usize>,
    of_principal: HashMap<Arc<str>, usize>,
    /// The newest clock that marks were forgotten by. Clocks step back, and threads overtake each other.
    forgotten: u64,
}

impl Shard {
    /// Whether a mark for this token could have been forgotten already: whether it is new cannot be known any more.
    pub(super) fn is_too_late(&self, once: &Use<'_>) -> bool {
        once.remember_through < once.now.max(self.forgotten)
    }

    pub(super) fn holds(&self, mark: &[u8; 32]) -> bool {
        self.marks.contains(mark)
    }

    /// Whether the token, the lease and the principal have each something left of their share.
    pub(super) fn has_room(&self, once: &Use<'_>, shares: Shares) -> bool {
        let Some((principal, of_principal)) = self.of_principal.get_key_value(once.principal)
        else {
            return true;
        };
        let lease = (Arc::clone(principal), once.lease_id);
        *of_principal < shares.principal
            && self.of_lease.get(&lease).is_none_or(|n| *n < shares.lease)
            && self
                .of_token
                .get(&once.token)
                .is_none_or(|n| *n < shares.token)
    }

    pub(super) fn remember(&mut self, once: &Use<'_>) {
        let principal = match self.of_principal.get_key_value(once.principal) {
            Some((principal, _)) => Arc::clone(principal),
            None => once.principal.into(),
        };
        let owner = Owner {
            mark: once.mark,
            token: once.token,
            lease: (Arc::clone(&principal), once.lease_id),
        };
        *self.of_principal.entry(principal).or_default() += 1;
        *self.of_lease.entry(owner.lease.clone()).or_default() += 1;
        *self.of_token.entry(owner.token).or_default() += 1;
        self.marks.insert(owner.mark);
        self.by_end.push(Reverse((once.remember_through, owner)));
    }

    /// Forgets what no token can need at `now` any more, and says how many that were.
    pub(super) fn forget_before(&mut self, now: u64) -> usize {
        self.forgotten = self.forgotten.max(now);
        let before = self.marks.len();
        while let Some(Reverse((through, _))) = self.by_end.peek()
            && *through < now
            && let Some(Reverse((_, owner))) = self.by_end.pop()
        {
            self.marks.remove(&owner.mark);
            less(&mut self.of_principal, Arc::clone(&owner.lease.0));
            less(&mut self.of_lease, owner.lease);
            less(&mut self.of_token, owner.token);
        }
        before - self.marks.len()
    }
}

fn less<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}
