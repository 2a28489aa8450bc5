use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cattery_locked::Locked;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SealError;

/// What every data key of a cluster is derived from: 32 random bytes.
pub struct MasterKey(Locked<[u8; 32]>);

/// Something that wraps the master key, and unwraps it when the authority starts. Slow ones may block.
pub trait UnsealMethod: Send {
    /// Wraps a new cluster's master key.
    ///
    /// # Errors
    ///
    /// [`SealError`]: the key file or passphrase is not fit.
    fn wrap(&self, cluster_id: &str, master: &MasterKey) -> Result<SealMeta, SealError>;

    /// Unwraps it.
    ///
    /// # Errors
    ///
    /// [`SealError::Wrong`] or [`SealError::OtherMethod`] above all.
    fn unwrap(&self, meta: &SealMeta) -> Result<MasterKey, SealError>;
}

/// The wrapped master key, and what it takes to unwrap it. JSON at `meta/seal`; nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealMeta {
    version: u32,
    cluster_id: String,
    wrapping: Wrapping,
    wrapped: String,
}

/// What the master key is wrapped with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Wrapping {
    /// A key from a file, through HKDF-SHA256.
    KeyFile {
        /// 16 random bytes, hex.
        salt: String,
    },
    /// A passphrase, through Argon2id (RFC 9106), version 0x13.
    Passphrase {
        /// 16 random bytes, hex.
        salt: String,
        /// Memory, KiB.
        m_kib: u32,
        /// Passes.
        t: u32,
        /// Lanes.
        p: u32,
    },
}

const VERSION: u32 = 1;
const NONCE: usize = 24;

impl MasterKey {
    /// A new one, from the system's CSPRNG.
    ///
    /// # Errors
    ///
    /// [`SealError::Memory`] or [`SealError::Random`].
    pub fn generate() -> Result<Self, SealError> {
        let mut key = Locked::new([0; 32])?;
        getrandom::fill(&mut *key).map_err(SealError::Random)?;
        Ok(Self(key))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl SealMeta {
    /// Reads what is at [`META_KEY`](super::META_KEY).
    ///
    /// # Errors
    ///
    /// [`SealError::Meta`].
    pub fn decode(value: &[u8]) -> Result<Self, SealError> {
        let meta: Self = serde_json::from_slice(value)
            .map_err(|_| SealError::Meta("it is not of the form that this version knows"))?;
        if meta.version != VERSION {
            return Err(SealError::Meta(
                "its version is not the one that this program knows",
            ));
        }
        Ok(meta)
    }

    /// The value to store at [`META_KEY`](super::META_KEY).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Only a map whose keys are no strings fails to become JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The cluster whose master key it is.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// What it is wrapped with.
    #[must_use]
    pub fn wrapping(&self) -> &Wrapping {
        &self.wrapping
    }

    /// Encrypts the master key under a wrapping key.
    pub(super) fn wrap(
        cluster_id: &str,
        wrapping: Wrapping,
        key: &Locked<[u8; 32]>,
        master: &MasterKey,
    ) -> Result<Self, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let sealed = XChaCha20Poly1305::new((&**key).into())
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &master.bytes()[..],
                    aad: &associated_data(cluster_id, &wrapping),
                },
            )
            .map_err(|_| SealError::Interrupted)?;
        Ok(Self {
            version: VERSION,
            cluster_id: cluster_id.to_owned(),
            wrapping,
            wrapped: STANDARD.encode([&nonce[..], &sealed].concat()),
        })
    }

    /// Decrypts the master key; `None` with the wrong wrapping key.
    pub(super) fn unwrap(&self, key: &Locked<[u8; 32]>) -> Result<Option<MasterKey>, SealError> {
        let wrapped = STANDARD
            .decode(&self.wrapped)
            .map_err(|_| SealError::Meta("the wrapped key is not base64"))?;
        let (nonce, sealed) = wrapped
            .split_first_chunk::<NONCE>()
            .ok_or(SealError::Meta("the wrapped key is too short"))?;
        let aad = associated_data(&self.cluster_id, &self.wrapping);
        let opened = XChaCha20Poly1305::new((&**key).into()).decrypt(
            &XNonce::from(*nonce),
            Payload {
                msg: sealed,
                aad: &aad,
            },
        );
        let Ok(opened) = opened.map(Zeroizing::new) else {
            return Ok(None);
        };
        let mut master = Locked::new([0; 32])?;
        if opened.len() != master.len() {
            return Err(SealError::Meta("the wrapped key has a wrong length"));
        }
        master.copy_from_slice(&opened);
        Ok(Some(MasterKey(master)))
    }
}

/// The cluster, and the method with its parameters in the one way that `Wrapping` becomes JSON.
fn associated_data(cluster_id: &str, wrapping: &Wrapping) -> Vec<u8> {
    let wrapping = serde_json::to_vec(wrapping).unwrap_or_default();
    [
        b"cattery.v1 wrapped master key\0",
        cluster_id.as_bytes(),
        b"\0",
        &wrapping,
    ]
    .concat()
}
