//! The sealed cache: lets an agent restart while no authority answers. Opt-in, since it puts keys on a disk.
//!
//! `"cattery.cache.2" || nonce (24) || XChaCha20-Poly1305(key, body)`, the service's name as associated data, and
//! `key = HKDF-SHA-256(key file, "cattery.v1 agent cache")`. The body is [`codec`]'s.

mod codec;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cattery_core::ServiceName;
use cattery_locked::{LockError, Locked};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::clock::Moment;
use crate::config::CacheConfig;
use crate::keys::{KeySet, Rejected};
use crate::secret_file::{self, SecretFileError};
use crate::state::{StateError, write_atomically};

const MAGIC: &[u8] = b"cattery.cache.2";
/// Of version 0.1.0: its body does not say which position the keys are from.
const FORMER_MAGIC: &[u8] = b"cattery.cache.1";
const INFO: &[u8] = b"cattery.v1 agent cache";
const NONCE_LEN: usize = 24;
/// The key file has as much entropy as the keys that it seals.
const LEAST_KEY_FILE: usize = 32;
const GREATEST_KEY_FILE: usize = 4_096;
/// How far the recorded contact may fall behind: a restart loses as much of the outage budget.
const LEAST_PERIOD: Duration = Duration::from_secs(60);
/// A recorded contact that is further ahead than this was written by another clock.
const CLOCK_SLACK: u64 = 30;

/// Seals keys to a file and opens them again.
pub(crate) struct Cache {
    file: PathBuf,
    service: ServiceName,
    key: CacheKey,
    saved: Option<Moment>,
}

/// What a former life left.
pub(crate) struct Cached {
    pub(crate) set: KeySet,
    /// How long ago an authority was last heard.
    pub(crate) since_contact: Duration,
}

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The key file cannot be read, or others can read it too.
    #[error("cache.key_file: {0}")]
    KeyFile(#[from] SecretFileError),
    /// It is no key.
    #[error("cache.key_file: {} has to have 32 to 4,096 bytes, of `head -c 32 /dev/urandom` say", .0.display())]
    KeyFileSize(PathBuf),
    /// There is nowhere to write it.
    #[error("cache.file: {} is no directory: make it, mode 0700", .0.display())]
    Folder(PathBuf),
    /// Memory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] StateError),
    /// The file cannot be read.
    #[error("cannot read {}: {why}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// It was sealed under another key, for another service, or changed.
    #[error("{} does not open: another key file, another service's, or damaged", .0.display())]
    Open(PathBuf),
    /// An older version wrote it.
    #[error("{} is of an older version of this agent, and is replaced once an authority has answered", .0.display())]
    Former(PathBuf),
    /// Its time lies ahead.
    #[error(
        "the recorded contact lies ahead of this clock, so nobody can tell how old the keys are"
    )]
    Clock,
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

/// What keys are sealed under. It is read before a join token is spent, which a bad key file should not cost.
pub(crate) struct CacheKey(Locked<[u8; 32]>);

impl CacheKey {
    /// Reads the key file, and looks whether there is a folder for what it will seal.
    pub(crate) fn read(config: &CacheConfig) -> Result<Self, CacheError> {
        if let Some(folder) = config.file.parent()
            && !folder.as_os_str().is_empty()
            && !folder.is_dir()
        {
            return Err(CacheError::Folder(folder.to_owned()));
        }
        let secret = secret_file::read(&config.key_file, GREATEST_KEY_FILE)?;
        if secret.len() < LEAST_KEY_FILE {
            return Err(CacheError::KeyFileSize(config.key_file.clone()));
        }
        let mut key = Locked::new([0; 32])?;
        let hkdf = Hkdf::<Sha256>::new(None, &secret);
        hkdf.expand(INFO, &mut *key)
            .map_err(|_| CacheError::KeyFileSize(config.key_file.clone()))?;
        Ok(Self(key))
    }
}

impl Cache {
    pub(crate) fn new(config: &CacheConfig, key: CacheKey, service: ServiceName) -> Self {
        Self {
            file: config.file.clone(),
            service,
            key,
            saved: None,
        }
    }

    /// Seals the set, if it is news or the last time was a while ago.
    pub(crate) fn save(
        &mut self,
        set: &KeySet,
        contact: Moment,
        is_news: bool,
    ) -> Result<(), CacheError> {
        let is_due = |saved| contact.since(saved) >= LEAST_PERIOD;
        if !is_news && self.saved.as_ref().is_some_and(|saved| !is_due(saved)) {
            return Ok(());
        }
        self.saved = None; // what fails is tried again the next time
        let body = codec::encode(set, contact.wall);
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(CacheError::Random)?;
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), self.payload(&body))
            .map_err(|_| CacheError::Open(self.file.clone()))?;
        write_atomically(&self.file, &[MAGIC, &nonce, &sealed].concat())?;
        self.saved = Some(contact);
        Ok(())
    }

    /// Opens what is there; `None` where there is no file.
    pub(crate) fn load(&self, now: u64) -> Result<Option<Cached>, CacheError> {
        let bytes = match fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => {
                let path = self.file.clone();
                return Err(CacheError::Read { path, why });
            }
        };
        if bytes.starts_with(FORMER_MAGIC) {
            return Err(CacheError::Former(self.file.clone()));
        }
        let damaged = || CacheError::Open(self.file.clone());
        let body = self.open(&bytes).ok_or_else(damaged)?;
        let (material, contact) = codec::decode(&body).ok_or_else(damaged)?;
        if contact > now.saturating_add(CLOCK_SLACK) {
            return Err(CacheError::Clock);
        }
        let set = KeySet::new(&material).map_err(|rejected| match rejected {
            Rejected::Lock(error) => error.into(),
            _ => damaged(),
        })?;
        Ok(Some(Cached {
            set,
            since_contact: Duration::from_secs(now.saturating_sub(contact)),
        }))
    }

    fn open(&self, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = bytes.strip_prefix(MAGIC)?.split_at_checked(NONCE_LEN)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().ok()?;
        let opened = self
            .cipher()
            .decrypt(&XNonce::from(nonce), self.payload(sealed));
        opened.ok().map(Zeroizing::new)
    }

    fn payload<'a>(&'a self, msg: &'a [u8]) -> Payload<'a, 'a> {
        let aad = self.service.as_str().as_bytes();
        Payload { msg, aad }
    }

    /// Its feature `zeroize` wipes the copy of the key.
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key.0).into())
    }
}

#[cfg(test)]
mod tests;
