use cattery_core::{REVOCATION_KEY_LEN, RevocationKey};
use zeroize::Zeroizing;

use super::{SealError, Sealer};

/// What the HKDF info of the key begins with; the incarnation follows.
const INFO: &[u8] = b"cattery.v1 revocation key";

/// What ids are fingerprinted with in an incarnation of the cluster: every authority derives the same.
pub(crate) fn revocation_key(
    sealer: &Sealer,
    incarnation: u64,
) -> Result<RevocationKey, SealError> {
    let mut key = Zeroizing::new([0; 32]);
    sealer.derive(&[INFO, &incarnation.to_be_bytes()].concat(), &mut key)?;
    let (first, _) = key
        .split_first_chunk::<REVOCATION_KEY_LEN>()
        .ok_or(SealError::Interrupted)?;
    Ok(RevocationKey::from_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::MasterKey;

    #[test]
    fn each_incarnation_has_its_own() {
        let master = MasterKey::generate().unwrap();
        let of = |cluster: &str, incarnation| {
            let sealer = Sealer::new(&master, cluster).unwrap();
            *revocation_key(&sealer, incarnation).unwrap().expose()
        };
        assert_eq!(of("c1", 1), of("c1", 1));
        assert_ne!(of("c1", 1), of("c1", 2));
        assert_ne!(of("c1", 1), of("c2", 1));
    }
}
