use argon2::{Algorithm, Argon2, Block, Params, Version};
use cattery_locked::Locked;
use zeroize::Zeroizing;

use super::{MasterKey, SealError, SealMeta, UnsealMethod, Wrapping};

/// A passphrase that wraps the master key through Argon2id. Takes a noticeable part of a second and 64 MiB.
pub struct Passphrase(Zeroizing<String>);

/// RFC 9106 section 4, the second recommendation but for lanes: one, since they are computed one after the other here.
const M_KIB: u32 = 64 * 1024;
const T: u32 = 3;
const P: u32 = 1;
/// What is stored has to be within these before it is computed: not so little that it is guessed, not so much that the start hangs.
const M_KIB_RANGE: std::ops::RangeInclusive<u32> = 19 * 1024..=1024 * 1024;
const T_RANGE: std::ops::RangeInclusive<u32> = 2..=16;
const P_RANGE: std::ops::RangeInclusive<u32> = 1..=16;
/// NIST SP 800-63B-4 section 3.1.1.2 asks for 15 where the password is all there is; this protects against typing errors.
const LEAST: usize = 12;

impl Passphrase {
    /// Takes the passphrase as it was typed, without the end of the line.
    #[must_use]
    pub fn new(passphrase: Zeroizing<String>) -> Self {
        Self(passphrase)
    }

    fn wrapping_key(
        &self,
        salt: &str,
        m_kib: u32,
        t: u32,
        p: u32,
    ) -> Result<Locked<[u8; 32]>, SealError> {
        let in_range = M_KIB_RANGE.contains(&m_kib) && T_RANGE.contains(&t) && P_RANGE.contains(&p);
        if !in_range || !(16..=64).contains(&salt.len()) {
            return Err(SealError::Meta("the Argon2id parameters are out of range"));
        }
        let params = Params::new(m_kib, t, p, Some(32))
            .map_err(|_| SealError::Meta("the Argon2id parameters are out of range"))?;
        let mut memory = Zeroizing::new(vec![Block::default(); params.block_count()]);
        let mut key = Locked::new([0; 32])?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                self.0.as_bytes(),
                salt.as_bytes(),
                &mut *key,
                &mut **memory,
            )
            .map_err(|_| SealError::Interrupted)?;
        Ok(key)
    }
}

impl UnsealMethod for Passphrase {
    fn wrap(&self, cluster_id: &str, master: &MasterKey) -> Result<SealMeta, SealError> {
        if self.0.chars().count() < LEAST {
            return Err(SealError::ShortPassphrase { least: LEAST });
        }
        let salt = super::random_salt()?;
        let key = self.wrapping_key(&salt, M_KIB, T, P)?;
        SealMeta::wrap(
            cluster_id,
            Wrapping::Passphrase {
                salt,
                m_kib: M_KIB,
                t: T,
                p: P,
            },
            &key,
            master,
        )
    }

    fn unwrap(&self, meta: &SealMeta) -> Result<MasterKey, SealError> {
        let Wrapping::Passphrase { salt, m_kib, t, p } = meta.wrapping() else {
            return Err(SealError::OtherMethod {
                cluster_id: meta.cluster_id().to_owned(),
                sealed_with: "key file",
                given: "passphrase",
            });
        };
        meta.unwrap(&self.wrapping_key(salt, *m_kib, *t, *p)?)?
            .ok_or_else(|| SealError::Wrong {
                method: "passphrase",
                cluster_id: meta.cluster_id().to_owned(),
                remedy: "type it again, or start in the directory that it belongs to",
            })
    }
}
