//! The set of revoked ids that a verifier asks on every request and that news adds to (SPEC section 5).

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;
use std::sync::Arc;

use super::fingerprint::{Fingerprint, RevocableId, RevocationKey};

/// How many times as large as the one behind it a layer is at least. The greater, the fewer there are to ask, and the more often large ones
/// are merged.
const SPACING: usize = 8;
/// A layer is rebuilt once one in so many of its entries has ended.
const ENDED_PART: usize = 4;

/// The fingerprints of revoked ids, each with its end. It never changes: adding gives another one, which shares what was
/// there, so that it can be published by swapping a pointer while others read.
///
/// It is made of hash tables. What is added is a small table of its own, and small tables are merged, so adding costs O(log n) for each
/// entry in the long run, and asking looks into O(log n) tables (a log-structured merge; Bentley and Saxe, 1980).
#[derive(Clone, Default)]
pub struct RevokedIds {
    /// None is empty, each is so much larger than the one behind it, and what is in two of them ends later in the latter.
    layers: Arc<[Arc<Layer>]>,
}

/// From fingerprint to end: 20 bytes for each.
type Layer = HashMap<Fingerprint, End, BuildHasherDefault<Taken>>;

/// Unix seconds. What ends after 2106 is kept for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End(u32);

impl End {
    fn at(unix: u64) -> Self {
        Self(u32::try_from(unix).unwrap_or(u32::MAX))
    }

    fn is_over(self, now: u64) -> bool {
        self.0 != u32::MAX && u64::from(self.0) <= now
    }
}

/// Takes a fingerprint's bytes for its hash.
#[derive(Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl RevokedIds {
    /// One without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this id of the principal is in it. Allocates nothing, and does next to nothing where nothing is revoked.
    #[must_use]
    pub fn revokes(&self, key: &RevocationKey, principal: &str, id: &RevocableId) -> bool {
        !self.is_empty() && self.contains(&key.fingerprint(principal, id))
    }

    /// Whether it is in it. What has ended may still be.
    #[must_use]
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.layers
            .iter()
            .any(|layer| layer.contains_key(fingerprint))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// How many entries it keeps: what has ended may still be among them, and an id whose end was put off is there more than once.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.layers.iter().map(|layer| layer.len()).sum()
    }

    /// This set and these entries, with their ends (Unix seconds). What is in it already keeps the later end.
    #[must_use]
    pub fn with(&self, added: impl IntoIterator<Item = (Fingerprint, u64)>) -> Self {
        let added = added.into_iter();
        let mut batch = Layer::with_capacity_and_hasher(added.size_hint().0, Default::default());
        for (fingerprint, ends_at) in added {
            let end = End::at(ends_at);
            if self.end(&fingerprint).is_none_or(|known| known < end) {
                let newest = batch.entry(fingerprint).or_insert(end);
                *newest = (*newest).max(end);
            }
        }
        if batch.is_empty() {
            return self.clone();
        }
        batch.shrink_to_fit();
        let mut layers = self.layers.to_vec();
        push(&mut layers, Arc::new(batch));
        Self::of(layers)
    }

    /// This set without what is over at `now` (Unix seconds), but for a part of it that is too small to be worth the work.
    #[must_use]
    pub fn without_ended(&self, now: u64) -> Self {
        let is_worth_it = |layer: &Layer| {
            let ended = layer.values().filter(|end| end.is_over(now)).count();
            ended > 0 && ended >= layer.len() / ENDED_PART
        };
        let worth_it: Vec<bool> = self.layers.iter().map(|layer| is_worth_it(layer)).collect();
        if !worth_it.contains(&true) {
            return self.clone();
        }
        let mut layers = Vec::with_capacity(self.layers.len());
        for (layer, is_worth_it) in self.layers.iter().zip(worth_it) {
            if is_worth_it {
                push(&mut layers, Arc::new(rebuilt(layer, now)));
            } else {
                push(&mut layers, Arc::clone(layer));
            }
        }
        Self::of(layers)
    }

    /// How many entries are not over at `now` (Unix seconds), and the exclusive or of their fingerprints. Sets which were told the same say
    /// the same, in whatever order it was. Looks at every entry.
    #[must_use]
    pub fn digest(&self, now: u64) -> (u64, [u8; 16]) {
        let (mut count, mut digest) = (0_u64, [0; 16]);
        let mut turn = |fingerprint: &Fingerprint| {
            for (sum, byte) in digest.iter_mut().zip(fingerprint.0) {
                *sum ^= byte;
            }
        };
        for (at, layer) in self.layers.iter().enumerate() {
            let older = self.layers.get(..at).unwrap_or_default();
            for (fingerprint, _) in layer.iter().filter(|(_, end)| !end.is_over(now)) {
                let copy = older.iter().rev().find_map(|older| older.get(fingerprint));
                if copy.is_none_or(|end| end.is_over(now)) {
                    count += 1;
                    turn(fingerprint);
                }
            }
        }
        (count, digest)
    }

    /// All that is in it, once each, with its end (Unix seconds; the greatest `u32` for what is kept for ever).
    pub fn iter(&self) -> impl Iterator<Item = (Fingerprint, u64)> {
        self.ends()
            .map(|(fingerprint, end)| (fingerprint, u64::from(end.0)))
    }

    /// Whether this is the other one, and not only equal to it: adding what is known gives the same set.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layers, &other.layers)
    }

    fn of(layers: Vec<Arc<Layer>>) -> Self {
        Self {
            layers: layers.into(),
        }
    }

    fn end(&self, fingerprint: &Fingerprint) -> Option<End> {
        let mut newest_first = self.layers.iter().rev();
        newest_first.find_map(|layer| layer.get(fingerprint).copied())
    }

    fn ends(&self) -> impl Iterator<Item = (Fingerprint, End)> {
        self.layers.iter().zip(1..).flat_map(|(layer, behind)| {
            let newer = self.layers.get(behind..).unwrap_or_default();
            let entries = layer.iter().map(|(fingerprint, end)| (*fingerprint, *end));
            entries.filter(|(fingerprint, _)| {
                let is_in = |layer: &Arc<Layer>| layer.contains_key(fingerprint);
                !newer.iter().any(is_in)
            })
        })
    }
}

/// Puts a layer behind the others, merged with those that it has come too close to.
fn push(layers: &mut Vec<Arc<Layer>>, layer: Arc<Layer>) {
    let mut size = layer.len();
    let mut merged = vec![layer];
    while let Some(smallest) = layers.pop_if(|smallest| smallest.len() < SPACING * size) {
        size += smallest.len();
        merged.push(smallest);
    }
    if let Some(layer) = merge(merged, size).filter(|layer| !layer.is_empty()) {
        layers.push(layer);
    }
}

/// One layer of these, the newest first, with `size` entries altogether.
fn merge(mut layers: Vec<Arc<Layer>>, size: usize) -> Option<Arc<Layer>> {
    let oldest = layers.pop()?;
    if layers.is_empty() {
        return Some(oldest);
    }
    let mut all = if oldest.capacity() < size {
        let mut all = Layer::with_capacity_and_hasher(size, Default::default());
        all.extend(oldest.iter().map(|(fingerprint, end)| (*fingerprint, *end)));
        all
    } else {
        Layer::clone(&oldest) // copies bytes and hashes nothing
    };
    drop(oldest);
    while let Some(layer) = layers.pop() {
        all.extend(layer.iter().map(|(fingerprint, end)| (*fingerprint, *end)));
    }
    Some(Arc::new(all))
}

fn rebuilt(layer: &Layer, now: u64) -> Layer {
    let kept = || layer.iter().filter(|(_, end)| !end.is_over(now));
    let mut rebuilt = Layer::with_capacity_and_hasher(kept().count(), Default::default());
    rebuilt.extend(kept().map(|(fingerprint, end)| (*fingerprint, *end)));
    rebuilt
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
