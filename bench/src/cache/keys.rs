//! The keys of users, kept: a table of fixed size, where each lease has one place, which it shares with others.

use cattery_core::{KeyId, ServiceKey, TokenKey};

/// Longest name that there is room for: an entry has it in itself, so that no look at it waits for memory twice.
const LONGEST: usize = 24;

/// Such a table.
pub(super) struct Kept {
    entries: Vec<Option<Entry>>,
    /// How often a key was there, and how often not.
    pub(super) hits: u64,
    pub(super) misses: u64,
}

/// All that the key is made of, so that no other lease is taken for it, and the key with its keyed state.
struct Entry {
    epoch: u32,
    generation: u32,
    version: u32,
    expires_at: u64,
    lease_id: [u8; 8],
    principal: [u8; LONGEST],
    key: TokenKey,
}

impl Kept {
    /// With room for so many.
    pub(super) fn new(size: usize) -> Self {
        Self {
            entries: (0..size).map(|_| None).collect(),
            hits: 0,
            misses: 0,
        }
    }

    /// The memory of one entry, bytes.
    pub(super) fn entry_size() -> usize {
        size_of::<Option<Entry>>()
    }

    /// The key of a lease: the one that is kept, or a new one, which is kept from now on. `None` where the name is too long.
    pub(super) fn key(&mut self, service: &ServiceKey, id: &KeyId<'_>) -> Option<&TokenKey> {
        let mut principal = [0; LONGEST];
        principal
            .get_mut(..id.principal.len())?
            .copy_from_slice(id.principal.as_bytes());
        // Lease ids are random: their bytes are as good as a hash of the whole.
        let size = u64::try_from(self.entries.len()).ok()?;
        let at = usize::try_from(u64::from_le_bytes(id.lease_id) % size).ok()?;
        let slot = self.entries.get_mut(at)?;
        let is_it = slot.as_ref().is_some_and(|entry| {
            entry.lease_id == id.lease_id
                && entry.principal == principal
                && entry.expires_at == id.expires_at
                && (entry.epoch, entry.generation, entry.version)
                    == (id.epoch, id.generation, id.version)
        });
        if is_it {
            self.hits += 1;
        } else {
            self.misses += 1;
            *slot = Some(Entry {
                epoch: id.epoch,
                generation: id.generation,
                version: id.version,
                expires_at: id.expires_at,
                lease_id: id.lease_id,
                principal,
                key: service.user_key(id),
            });
        }
        slot.as_ref().map(|entry| &entry.key)
    }
}

#[cfg(test)]
mod tests {
    use cattery_core::RootKey;

    use super::*;

    #[test]
    fn what_is_kept_is_the_key_of_this_very_lease() {
        let service = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
        let id = |principal, expires_at| KeyId {
            epoch: 1,
            service: "photos",
            generation: 0,
            principal,
            version: 0,
            expires_at,
            lease_id: [1; 8],
        };
        let mut kept = Kept::new(4);
        let ids = [
            id("user/alice", 9),
            id("user/alice", 9),
            id("user/bob", 9),
            id("user/bob", 10),
        ];
        for id in ids {
            let key = kept.key(&service, &id).unwrap();
            assert_eq!(key.expose(), service.user_key(&id).expose());
        }
        assert_eq!((kept.hits, kept.misses), (1, 3));
        let long = id("user/a-name-that-is-longer-than-that", 9);
        assert!(kept.key(&service, &long).is_none());
    }
}
