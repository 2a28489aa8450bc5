//! A whole set of keys in locked memory. It never changes: another one takes its place.

use std::collections::HashMap;
use std::sync::Arc;

use cattery_core::{
    Fingerprint, Found, Keyring, Keys, Principal, RevocableId, Revocations, ServiceKey,
};
use cattery_locked::Locked;
use cattery_proto::v1::EpochState;

use super::record::Material;
use super::rejected::Rejected;
use super::revoked::Revoked;
use crate::position::Position;
use crate::state::Mark;

/// One service key in a page of its own: there are two or three of them.
struct Page(Locked<ServiceKey>);

impl AsRef<ServiceKey> for Page {
    fn as_ref(&self) -> &ServiceKey {
        &self.0
    }
}

/// What is known of a held key besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) epoch: u32,
    pub(crate) generation: u32,
    pub(crate) state: EpochState,
    /// For a draining one, when its last lease ends, Unix seconds; otherwise 0.
    pub(crate) not_after: u64,
}

/// The keys of every live epoch, and what is revoked: the least versions of principals, and ids. A clone shares it all.
#[derive(Clone)]
pub(crate) struct KeySet {
    position: Position,
    as_of: Position,
    ring: Arc<Keyring<Page>>,
    held: Arc<[Held]>,
    least_versions: Arc<HashMap<String, u32>>,
    revoked: Revoked,
}

impl KeySet {
    /// Locks the keys away.
    ///
    /// # Errors
    /// The set is one that no authority sends, or memory cannot be locked.
    pub(crate) fn new(material: &Material) -> Result<Self, Rejected> {
        let mut ring = Keyring::new();
        let mut held = Vec::with_capacity(material.keys.len());
        for record in &material.keys {
            let (epoch, generation) = (record.epoch, record.generation);
            match record.state {
                EpochState::Prepared | EpochState::Active | EpochState::Draining => {}
                EpochState::Unspecified | EpochState::Retired => {
                    return Err(Rejected::State { epoch });
                }
            }
            if epoch == 0 {
                return Err(Rejected::State { epoch });
            }
            let page = Locked::new_with(|| ServiceKey::from_bytes(&record.key))?;
            if ring.insert(epoch, generation, Page(page)).is_some() {
                return Err(Rejected::Twice { epoch, generation });
            }
            held.push(Held {
                epoch,
                generation,
                state: record.state,
                not_after: record.not_after,
            });
        }
        if ring.is_empty() {
            return Err(Rejected::Empty);
        }
        held.sort_by_key(|held| (held.epoch, held.generation));
        let mut least_versions: HashMap<String, u32> = HashMap::new();
        for (principal, version) in &material.least_versions {
            principal
                .parse::<Principal>()
                .map_err(Rejected::Principal)?;
            let least = least_versions.entry(principal.clone()).or_default();
            *least = (*least).max(*version);
        }
        Ok(Self {
            position: material.position,
            as_of: material.as_of,
            ring: Arc::new(ring),
            held: held.into(),
            least_versions: Arc::new(least_versions),
            revoked: material.revoked.clone(),
        })
    }

    /// All that was sent up to there is in it.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// All but the revoked ids is as of there: those may come in parts.
    pub(crate) fn as_of(&self) -> Position {
        self.as_of
    }

    /// How new the set is.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            position: self.as_of,
            epoch: self.held.last().map_or(0, |held| held.epoch),
        }
    }

    /// What is held: all that was sent up to there, and the newest epoch.
    pub(crate) fn held_mark(&self) -> Mark {
        Mark {
            position: self.position,
            ..self.mark()
        }
    }

    /// The keys, oldest epoch first.
    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }

    pub(crate) fn newest_generation(&self, epoch: u32) -> Option<u32> {
        let of_epoch = self.held.iter().filter(|held| held.epoch == epoch);
        of_epoch.map(|held| held.generation).max()
    }

    /// Whether the set that this one followed says the same: which keys there are, and what is revoked.
    pub(crate) fn says_as(&self, former: &Self) -> bool {
        self.held == former.held
            && self.least_versions == former.least_versions
            && self.revoked.ids().is_same(former.revoked.ids())
    }

    /// What is revoked by its id.
    pub(crate) fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// The set as one that came as a whole, after it came in parts.
    pub(crate) fn whole(self) -> Self {
        Self {
            revoked: self.revoked.whole(self.position),
            ..self
        }
    }

    /// The ids that were revoked after this position; `None` where that is not known, or ahead of this set.
    pub(crate) fn revoked_since(&self, position: Position) -> Option<Vec<(Fingerprint, u64)>> {
        let is_behind = position <= self.position;
        is_behind.then(|| self.revoked.since(position)).flatten()
    }

    /// The set without most of the revoked ids that have ended at `now` (Unix seconds); `None` where that is the same.
    pub(crate) fn without_ended(&self, now: u64) -> Option<Self> {
        let revoked = self.revoked.without_ended(now)?;
        Some(Self {
            revoked,
            ..self.clone()
        })
    }

    fn revokes(&self, principal: &str, id: &RevocableId) -> bool {
        let ids = self.revoked.ids();
        ids.revokes(self.revoked.key(), principal, id)
    }

    /// The bytes of one of them. Secret.
    pub(crate) fn expose(&self, epoch: u32, generation: u32) -> Option<&[u8; 32]> {
        match self.ring.find(epoch, generation) {
            Found::Key(key) => Some(key.expose()),
            Found::UnknownEpoch | Found::RetiredEpoch | Found::Revoked => None,
        }
    }

    pub(crate) fn least_versions(&self) -> impl ExactSizeIterator<Item = (&str, u32)> {
        self.least_versions
            .iter()
            .map(|(principal, version)| (principal.as_str(), *version))
    }

    /// The set as it is at `now` (Unix seconds): an agent that nobody tells any more still lets a drained epoch go.
    pub(crate) fn at(&self, now: u64, leeway: u64) -> KeysAt<'_> {
        KeysAt {
            set: self,
            now,
            leeway,
        }
    }
}

impl Revocations for KeySet {
    fn least_version(&self, principal: &str) -> u32 {
        self.least_versions.get(principal).copied().unwrap_or(0)
    }
    fn lease_revoked(&self, principal: &str, lease_id: &[u8; 8]) -> bool {
        self.revokes(principal, &RevocableId::Lease(*lease_id))
    }
    fn token_revoked(&self, principal: &str, token_id: &[u8; 16]) -> bool {
        self.revokes(principal, &RevocableId::Token(*token_id))
    }
    fn key_revoked(&self, principal: &str, revocation_id: &[u8; 16]) -> bool {
        self.revokes(principal, &RevocableId::HandedOut(*revocation_id))
    }
}

/// The keys that are good at one moment.
pub(crate) struct KeysAt<'a> {
    set: &'a KeySet,
    now: u64,
    leeway: u64,
}

impl Keys for KeysAt<'_> {
    fn find(&self, epoch: u32, generation: u32) -> Found<'_> {
        let mut of_epoch = self.set.held.iter().filter(|held| held.epoch == epoch);
        let mut has_drained = of_epoch.clone().filter(|held| self.is_drained(held));
        if has_drained.clone().next().is_none() {
            return self.set.ring.find(epoch, generation);
        }
        if of_epoch.all(|held| self.is_drained(held)) {
            return Found::RetiredEpoch;
        }
        if has_drained.any(|held| held.generation == generation) {
            return Found::Revoked;
        }
        self.set.ring.find(epoch, generation)
    }
}

impl KeysAt<'_> {
    fn is_drained(&self, held: &Held) -> bool {
        held.state == EpochState::Draining
            && held.not_after != 0
            && u128::from(self.now) >= u128::from(held.not_after) + u128::from(self.leeway)
    }
}

#[cfg(test)]
mod tests {
    use cattery_core::{RevocationKey, RevokedIds};
    use zeroize::Zeroizing;

    use super::super::record::KeyRecord;
    use super::*;

    const POSITION: Position = Position {
        incarnation: 1,
        sequence: 4,
    };

    fn record(epoch: u32, state: EpochState, not_after: u64) -> KeyRecord {
        KeyRecord {
            epoch,
            generation: 0,
            state,
            not_after,
            key: Zeroizing::new([7; 32]),
        }
    }

    fn set(keys: Vec<KeyRecord>) -> Result<KeySet, Rejected> {
        KeySet::new(&Material {
            position: POSITION,
            as_of: POSITION,
            keys,
            least_versions: vec![("user/alice".into(), 3)],
            revoked: Revoked::new(
                RevocationKey::from_bytes([1; 16]),
                RevokedIds::new(),
                POSITION,
            ),
        })
    }

    #[test]
    fn a_drained_epoch_goes_without_being_told() {
        let set = set(vec![
            record(2, EpochState::Active, 0),
            record(1, EpochState::Draining, 1_000),
        ])
        .unwrap();
        assert_eq!(
            set.mark(),
            Mark {
                position: POSITION,
                epoch: 2
            }
        );
        assert!(matches!(set.at(1_029, 30).find(1, 0), Found::Key(_)));
        assert!(matches!(set.at(1_030, 30).find(1, 0), Found::RetiredEpoch));
        assert!(matches!(set.at(1_030, 30).find(2, 0), Found::Key(_)));
        assert_eq!(
            (
                set.least_version("user/alice"),
                set.least_version("user/bob")
            ),
            (3, 0)
        );
    }

    #[test]
    fn a_drained_generation_goes_and_its_successor_stays() {
        let successor = KeyRecord {
            generation: 1,
            ..record(1, EpochState::Active, 0)
        };
        let set = set(vec![record(1, EpochState::Draining, 1_000), successor]).unwrap();
        assert!(matches!(set.at(1_029, 30).find(1, 0), Found::Key(_)));
        assert!(matches!(set.at(1_030, 30).find(1, 0), Found::Revoked));
        assert!(matches!(set.at(1_030, 30).find(1, 1), Found::Key(_)));
        assert!(matches!(set.at(1_030, 30).find(1, 2), Found::UnknownEpoch));
    }

    #[test]
    fn what_no_authority_sends_is_refused() {
        assert!(matches!(set(vec![]), Err(Rejected::Empty)));
        assert!(matches!(
            set(vec![record(1, EpochState::Retired, 0)]),
            Err(Rejected::State { epoch: 1 })
        ));
        assert!(matches!(
            set(vec![
                record(1, EpochState::Active, 0),
                record(1, EpochState::Prepared, 0)
            ]),
            Err(Rejected::Twice { .. })
        ));
        assert!(matches!(
            set(vec![record(0, EpochState::Active, 0)]),
            Err(Rejected::State { epoch: 0 })
        ));
    }
}
