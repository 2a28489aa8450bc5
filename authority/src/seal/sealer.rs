use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use cattery_locked::Locked;

use super::{MasterKey, SealError};

/// Seals values for the store, and opens them.
///
/// A sealed value is `01 || nonce (24 bytes) || ciphertext and tag`. Nonces are random: with 192 bits no two will meet.
pub struct Sealer {
    data_key: Locked<[u8; 32]>,
    cluster_id: String,
}

const FORMAT: u8 = 1;
const NONCE: usize = 24;
const DATA_KEY_INFO: &[u8] = b"cattery.v1 store data key";

impl Sealer {
    /// Derives the data key from the master key.
    ///
    /// # Errors
    ///
    /// [`SealError::Memory`] when memory for the key cannot be locked.
    pub fn new(master: &MasterKey, cluster_id: &str) -> Result<Self, SealError> {
        let mut data_key = Locked::new([0; 32])?;
        Hkdf::<Sha256>::new(Some(cluster_id.as_bytes()), master.bytes())
            .expand(DATA_KEY_INFO, &mut *data_key)
            .map_err(|_| SealError::Interrupted)?;
        Ok(Self {
            data_key,
            cluster_id: cluster_id.to_owned(),
        })
    }

    /// Derives a key for another purpose, which `info` names.
    pub(crate) fn derive(&self, info: &[u8], key: &mut [u8; 32]) -> Result<(), SealError> {
        Hkdf::<Sha256>::new(Some(self.cluster_id.as_bytes()), &*self.data_key)
            .expand(info, key)
            .map_err(|_| SealError::Interrupted)
    }

    /// The cluster whose values these are.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Encrypts `plaintext` for the store's key `path`.
    ///
    /// # Errors
    ///
    /// [`SealError::Random`] when the system has no randomness.
    pub fn seal(&self, path: &str, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let sealed = self
            .cipher()
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plaintext,
                    aad: &self.associated_data(path),
                },
            )
            .map_err(|_| SealError::Interrupted)?;
        Ok([&[FORMAT][..], &nonce, &sealed].concat())
    }

    /// Decrypts what [`Sealer::seal`] made for the same path of the same cluster.
    ///
    /// # Errors
    ///
    /// [`SealError::Opened`]: it was changed, moved, or belongs to another cluster.
    pub fn open(&self, path: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let refused = || SealError::Opened {
            path: path.to_owned(),
        };
        let (format, rest) = sealed.split_first().ok_or_else(refused)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or_else(refused)?;
        if *format != FORMAT {
            return Err(refused());
        }
        self.cipher()
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: ciphertext,
                    aad: &self.associated_data(path),
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| refused())
    }

    /// The cipher wipes its copy of the key when it is dropped.
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.data_key).into())
    }

    /// Cluster and path; neither contains a zero byte, so no two pairs are the same bytes.
    fn associated_data(&self, path: &str) -> Vec<u8> {
        [
            b"cattery.v1 sealed value\0",
            self.cluster_id.as_bytes(),
            b"\0",
            path.as_bytes(),
        ]
        .concat()
    }
}
