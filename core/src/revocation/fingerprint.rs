//! What stands for a revoked id wherever many of them are kept or sent: 16 bytes, whatever the principal's name.

use core::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::limits::{ID_LEN, LEASE_ID_LEN};

/// Size of a [`RevocationKey`], in bytes.
pub const REVOCATION_KEY_LEN: usize = 16;

/// Something that can be revoked by its id. Ids of different kinds never meet (SPEC section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocableId {
    /// A user key and all that comes of it: `lease_id`.
    Lease([u8; LEASE_ID_LEN]),
    /// One token: `token_id`.
    Token([u8; ID_LEN]),
    /// A handed-out key or token: the id of its caveat `revocation_id`.
    HandedOut([u8; ID_LEN]),
}

/// Stands for a revoked id and its principal. Two of them meet with a probability of 2^-128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 16]);

/// Eight of its bytes: they are as good as random already.
impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// What fingerprints are made with: the same for all agents of a cluster, and unknown to those who choose ids, so that nobody can make
/// an id that meets another one's (SipHash-2-4 with 128 bits of output; Aumasson and Bernstein, 2012).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RevocationKey([u8; REVOCATION_KEY_LEN]);

impl RevocationKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; REVOCATION_KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; REVOCATION_KEY_LEN] {
        &self.0
    }

    /// Of an id of this principal. The kind says how long the id is, so no two inputs are the same bytes.
    #[must_use]
    pub fn fingerprint(&self, principal: &str, id: &RevocableId) -> Fingerprint {
        let (kind, id): (u8, &[u8]) = match id {
            RevocableId::Lease(id) => (1, id),
            RevocableId::Token(id) => (2, id),
            RevocableId::HandedOut(id) => (3, id),
        };
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(kind);
        hasher.write(id);
        hasher.write(principal.as_bytes());
        Fingerprint(hasher.finish128().as_bytes())
    }
}

impl core::fmt::Debug for RevocationKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RevocationKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: RevocationKey =
        RevocationKey::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

    #[test]
    fn kind_id_and_principal_are_hashed_one_after_the_other() {
        let id = [7; 16];
        let mut hasher = SipHasher24::new_with_key(KEY.expose());
        hasher.write(&[&[2][..], &id, b"user/alice"].concat());
        let expected = hasher.finish128().as_bytes();
        let made = KEY.fingerprint("user/alice", &RevocableId::Token(id));
        assert_eq!(made.0, expected);
    }

    #[test]
    fn kinds_principals_and_keys_are_told_apart() {
        let all = [
            KEY.fingerprint("user/alice", &RevocableId::Token([7; 16])),
            KEY.fingerprint("user/alice", &RevocableId::HandedOut([7; 16])),
            KEY.fingerprint("user/alic", &RevocableId::Token([7; 16])),
            KEY.fingerprint("user/alice", &RevocableId::Lease([7; 8])),
            RevocationKey::from_bytes([1; 16])
                .fingerprint("user/alice", &RevocableId::Token([7; 16])),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one));
        }
    }
}
