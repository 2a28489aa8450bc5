//! The cache's body: be64(last contact) || be64(incarnation) || be64(sequence) || be32(n) || n × (be32(epoch) || be32(generation) || state ||
//! be64(not_after) || key) || be32(m) || m × (be32(version) || length || principal).

use cattery_proto::v1::EpochState;
use zeroize::Zeroizing;

use crate::keys::{KeyRecord, KeySet, Material};
use crate::position::Position;

const KEY_RECORD: usize = 4 + 4 + 1 + 8 + 32;

/// The body, in one buffer that never grows, so that no copy of a key stays behind.
pub(super) fn encode(set: &KeySet, contact: u64) -> Zeroizing<Vec<u8>> {
    let names: usize = set
        .least_versions()
        .map(|(name, _)| 4 + 1 + name.len())
        .sum();
    let size = 8 + 8 + 8 + 4 + set.held().len() * KEY_RECORD + 4 + names;
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    out.extend(contact.to_be_bytes());
    let position = set.position();
    out.extend(position.incarnation.to_be_bytes());
    out.extend(position.sequence.to_be_bytes());
    let keys = || {
        set.held()
            .iter()
            .filter_map(|held| Some((held, set.expose(held.epoch, held.generation)?)))
    };
    put_count(&mut out, keys().count());
    for (held, key) in keys() {
        out.extend(held.epoch.to_be_bytes());
        out.extend(held.generation.to_be_bytes());
        out.push(match held.state {
            EpochState::Prepared => 1,
            EpochState::Active => 2,
            EpochState::Draining => 3,
            EpochState::Unspecified | EpochState::Retired => 0,
        });
        out.extend(held.not_after.to_be_bytes());
        out.extend(key);
    }
    put_count(&mut out, set.least_versions().len());
    for (principal, version) in set.least_versions() {
        out.extend(version.to_be_bytes());
        out.push(u8::try_from(principal.len()).unwrap_or(u8::MAX)); // a principal has at most 205 bytes
        out.extend(principal.as_bytes());
    }
    debug_assert_eq!(out.len(), size);
    out
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

/// The keys and the last contact (Unix seconds); `None` where the body is not one.
pub(super) fn decode(body: &[u8]) -> Option<(Material, u64)> {
    let mut rest = Rest(body);
    let contact = u64::from_be_bytes(rest.take()?);
    let position = Position {
        incarnation: u64::from_be_bytes(rest.take()?),
        sequence: u64::from_be_bytes(rest.take()?),
    };
    let mut keys = Vec::new();
    for _ in 0..rest.count()? {
        keys.push(KeyRecord {
            epoch: u32::from_be_bytes(rest.take()?),
            generation: u32::from_be_bytes(rest.take()?),
            state: match rest.take()? {
                [1] => EpochState::Prepared,
                [2] => EpochState::Active,
                [3] => EpochState::Draining,
                _ => return None,
            },
            not_after: u64::from_be_bytes(rest.take()?),
            key: Zeroizing::new(rest.take()?),
        });
    }
    let mut least_versions = Vec::new();
    for _ in 0..rest.count()? {
        let version = u32::from_be_bytes(rest.take()?);
        let [len] = rest.take()?;
        let principal = str::from_utf8(rest.slice(len.into())?).ok()?;
        least_versions.push((principal.to_owned(), version));
    }
    let material = Material {
        position,
        keys,
        least_versions,
    };
    rest.0.is_empty().then_some((material, contact))
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    fn count(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }
}
