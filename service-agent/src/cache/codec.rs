//! The body of one frame: be64(last contact) || be64(incarnation) || be64(sequence) || be64(sequence as of which all but the revoked ids
//! is) || be32(n) || n × (be32(epoch) || be32(generation) || state || be64(not_after) || key) || be32(m) || m × (be32(version) || length ||
//! principal) || revocation key (16) || be32(r) || r × (fingerprint (16) || be32(ends_at)).
//!
//! It says all that is held, but of the revoked ids only those that the frames before it do not.

use cattery_core::{Fingerprint, RevocationKey};
use cattery_proto::v1::EpochState;
use zeroize::Zeroizing;

use crate::keys::{KeyRecord, KeySet};
use crate::position::Position;

const KEY_RECORD: usize = 4 + 4 + 1 + 8 + 32;
const REVOKED_RECORD: usize = 16 + 4;

/// What a frame says.
pub(super) struct Body {
    /// Unix seconds.
    pub(super) contact: u64,
    pub(super) position: Position,
    pub(super) as_of: Position,
    pub(super) keys: Vec<KeyRecord>,
    pub(super) least_versions: Vec<(String, u32)>,
    pub(super) revocation_key: RevocationKey,
    pub(super) revoked: Vec<(Fingerprint, u64)>,
}

/// The body, in one buffer that never grows, so that no copy of a key stays behind.
pub(super) fn encode(
    set: &KeySet,
    revoked: &[(Fingerprint, u64)],
    contact: u64,
) -> Zeroizing<Vec<u8>> {
    let names: usize = set
        .least_versions()
        .map(|(name, _)| 4 + 1 + name.len())
        .sum();
    let keys_size = set.held().len() * KEY_RECORD;
    let size = 8 + 8 + 8 + 8 + 4 + keys_size + 4 + names + 16 + 4 + revoked.len() * REVOKED_RECORD;
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    out.extend(contact.to_be_bytes());
    let position = set.position();
    out.extend(position.incarnation.to_be_bytes());
    out.extend(position.sequence.to_be_bytes());
    out.extend(set.as_of().sequence.to_be_bytes()); // of the same incarnation
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
    out.extend(set.revoked().key().expose());
    put_count(&mut out, revoked.len());
    for (fingerprint, ends_at) in revoked {
        out.extend(fingerprint.0);
        out.extend(u32::try_from(*ends_at).unwrap_or(u32::MAX).to_be_bytes()); // the set knows no later end
    }
    debug_assert_eq!(out.len(), size);
    out
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

/// `None` where the body is not one.
pub(super) fn decode(body: &[u8]) -> Option<Body> {
    let mut rest = Rest(body);
    let contact = u64::from_be_bytes(rest.take()?);
    let position = Position {
        incarnation: u64::from_be_bytes(rest.take()?),
        sequence: u64::from_be_bytes(rest.take()?),
    };
    let as_of = Position {
        sequence: u64::from_be_bytes(rest.take()?),
        ..position
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
    let revocation_key = RevocationKey::from_bytes(rest.take()?);
    let mut revoked = Vec::new();
    for _ in 0..rest.count()? {
        let fingerprint = Fingerprint(rest.take()?);
        revoked.push((fingerprint, u32::from_be_bytes(rest.take()?).into()));
    }
    rest.0.is_empty().then_some(Body {
        contact,
        position,
        as_of,
        keys,
        least_versions,
        revocation_key,
        revoked,
    })
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
