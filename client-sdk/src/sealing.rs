//! Secrets on their way: sealed to a key that the receiver made for this one request (HPKE, RFC 9180, base mode,
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305), so that no transport buffer holds them.

use cattery_proto::v1::Sealed;
use rustls::crypto::{
    aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305 as SUITE,
    hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey},
};
use zeroize::Zeroizing;

/// `info` of a service key.
pub const INFO_SERVICE_KEY: &[u8] = b"cattery.v1 service key";
/// `info` of a user key.
pub const INFO_USER_KEY: &[u8] = b"cattery.v1 user key";
/// `info` of a join token's text.
pub const INFO_JOIN_TOKEN: &[u8] = b"cattery.v1 join token";
/// `info` of an API key's text.
pub const INFO_API_KEY: &[u8] = b"cattery.v1 api key";

/// A key pair for one answer. The private half never leaves, and is wiped on drop.
pub struct ReceiverKey {
    public: Vec<u8>,
    private: HpkePrivateKey,
}

/// Sealing or opening failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// The receiver's public key is not one.
    #[error("the receiver's public key is not a valid X25519 key of 32 bytes")]
    PublicKey,
    /// It was not sealed to this key, or for another use, or changed on its way.
    #[error(
        "a sealed secret does not open: it was meant for another receiver, or changed on its way"
    )]
    Open,
    /// The operating system gave no randomness.
    #[error("no key could be made: the operating system gave no randomness")]
    Random,
}

impl ReceiverKey {
    /// A fresh key pair.
    ///
    /// # Errors
    /// [`SealingError::Random`].
    pub fn generate() -> Result<Self, SealingError> {
        let (public, private) = SUITE
            .generate_key_pair()
            .map_err(|_| SealingError::Random)?;
        Ok(Self {
            public: public.0,
            private,
        })
    }

    /// What goes into the request, 32 bytes.
    pub fn public_key(&self) -> Vec<u8> {
        self.public.clone()
    }

    /// Opens what was sealed to this key for the use that `info` names.
    ///
    /// # Errors
    /// [`SealingError::Open`].
    pub fn open(&self, info: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let encapsulated = EncapsulatedSecret(sealed.encapsulated_key.clone());
        SUITE
            .open(&encapsulated, info, &[], &sealed.ciphertext, &self.private)
            .map(Zeroizing::new)
            .map_err(|_| SealingError::Open)
    }
}

/// Seals `plaintext` to the receiver's public key, for the use that `info` names.
///
/// # Errors
/// [`SealingError::PublicKey`].
pub fn seal(public_key: &[u8], info: &[u8], plaintext: &[u8]) -> Result<Sealed, SealingError> {
    if public_key.len() != 32 {
        return Err(SealingError::PublicKey);
    }
    let (encapsulated, ciphertext) = SUITE
        .seal(info, &[], plaintext, &HpkePublicKey(public_key.to_vec()))
        .map_err(|_| SealingError::PublicKey)?;
    Ok(Sealed {
        encapsulated_key: encapsulated.0,
        ciphertext,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_its_receiver_and_use_alone() -> Result<(), SealingError> {
        let (alice, eve) = (ReceiverKey::generate()?, ReceiverKey::generate()?);
        let mut sealed = seal(&alice.public_key(), INFO_USER_KEY, b"key")?;
        assert_eq!(&alice.open(INFO_USER_KEY, &sealed)?[..], b"key");
        assert_eq!(
            eve.open(INFO_USER_KEY, &sealed).err(),
            Some(SealingError::Open)
        );
        assert_eq!(
            alice.open(INFO_SERVICE_KEY, &sealed).err(),
            Some(SealingError::Open)
        );
        sealed.ciphertext[0] ^= 1;
        assert_eq!(
            alice.open(INFO_USER_KEY, &sealed).err(),
            Some(SealingError::Open)
        );
        Ok(())
    }

    #[test]
    fn bad_public_keys_are_refused() {
        for bad in [&[][..], &[9; 31], &[0; 32]] {
            assert_eq!(
                seal(bad, INFO_USER_KEY, b"key").err(),
                Some(SealingError::PublicKey)
            );
        }
    }
}
