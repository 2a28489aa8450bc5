//! The sealed cache: lets an agent restart while no authority answers. Opt-in, since it puts keys on a disk.
//!
//! News is appended to the file before it is used, in a frame that holds what it added to the revoked ids; once that has made the file twice
//! as large, all that is held is written anew. [`frames`] has the file's form, [`codec`] that of a frame. The key is
//! `HKDF-SHA-256(key file, "cattery.v1 agent cache")`.

mod codec;
mod frames;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use cattery_core::{Fingerprint, RevokedIds, ServiceName};
use cattery_locked::{LockError, Locked};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit as _;
use frames::Frames;
use hkdf::Hkdf;
use sha2::Sha256;

use crate::clock::Moment;
use crate::config::CacheConfig;
use crate::keys::{KeySet, Material, Rejected, Revoked};
use crate::position::Position;
use crate::secret_file::{self, SecretFileError};
use crate::state::{StateError, write_atomically};

const INFO: &[u8] = b"cattery.v1 agent cache";
/// The key file has as much entropy as the keys that it seals.
const LEAST_KEY_FILE: usize = 32;
const GREATEST_KEY_FILE: usize = 4_096;
/// How far the recorded contact may fall behind: a restart loses as much of the outage budget.
const LEAST_PERIOD: Duration = Duration::from_secs(60);
/// A recorded contact that is further ahead than this was written by another clock.
const CLOCK_SLACK: u64 = 30;

/// A file that is smaller than this is not worth appending less to.
const LEAST_APPENDED: u64 = 256 * 1024;

/// Seals keys to a file and opens them again.
pub(crate) struct Cache {
    file: PathBuf,
    service: ServiceName,
    key: CacheKey,
    /// The last contact that is known, Unix seconds.
    contact: u64,
    saved: Option<Saved>,
}

/// The file as this process left it.
struct Saved {
    file: File,
    id: [u8; 16],
    frames: u64,
    /// Its length when all was written anew, and now.
    whole: u64,
    len: u64,
    position: Position,
    at: Moment,
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
    /// The file cannot be added to.
    #[error("cannot append to {}: {why}", .path.display())]
    Append {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// A frame has at most 4 GiB.
    #[error("what is held does not fit into {}", .0.display())]
    TooLarge(PathBuf),
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
            contact: 0,
            saved: None,
        }
    }

    /// Seals the set, if it is at another position or the last time was a while ago. `contact` is when an authority was last asked that
    /// has told all that it knew; `None` where that is as before.
    pub(crate) fn save(&mut self, set: &KeySet, contact: Option<Moment>) -> Result<(), CacheError> {
        let now = Moment::now();
        let is_due = |saved: &Saved| {
            saved.position != set.position() || now.since(&saved.at) >= LEAST_PERIOD
        };
        if self.saved.as_ref().is_some_and(|saved| !is_due(saved)) {
            return Ok(());
        }
        self.contact = contact.map_or(self.contact, |contact| contact.wall);
        let saved = self.saved.take(); // after a failure, all is written anew
        let added = saved.as_ref().and_then(|saved| self.addition(saved, set));
        let saved = match saved.zip(added) {
            Some((saved, added)) => self.append(saved, set, &added)?,
            None => self.write_anew(set)?,
        };
        self.saved = Some(Saved {
            position: set.position(),
            at: now,
            ..saved
        });
        Ok(())
    }

    /// What has to be appended; `None` where all has to be written anew.
    fn addition(&self, saved: &Saved, set: &KeySet) -> Option<Vec<(Fingerprint, u64)>> {
        let is_short = saved.len - saved.whole < saved.whole.max(LEAST_APPENDED);
        let is_ours = || {
            let found = fs::metadata(&self.file).ok();
            let ours = saved.file.metadata().ok();
            found.zip(ours).is_some_and(|(found, ours)| {
                (found.ino(), found.dev(), found.len()) == (ours.ino(), ours.dev(), saved.len)
            })
        };
        set.revoked_since(saved.position)
            .filter(|_| is_short && is_ours())
    }

    fn append(
        &self,
        mut saved: Saved,
        set: &KeySet,
        added: &[(Fingerprint, u64)],
    ) -> Result<Saved, CacheError> {
        let frame = self.seal(saved.id, saved.frames, set, added)?;
        let written = saved
            .file
            .write_all(&frame)
            .and_then(|()| saved.file.sync_data());
        written.map_err(|why| CacheError::Append {
            path: self.file.clone(),
            why,
        })?;
        saved.frames += 1;
        saved.len += length(&frame);
        Ok(saved)
    }

    fn write_anew(&self, set: &KeySet) -> Result<Saved, CacheError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(CacheError::Random)?;
        let revoked: Vec<_> = set.revoked().ids().iter().collect();
        let mut bytes = frames::head(id);
        bytes.extend(self.seal(id, 0, set, &revoked)?);
        write_atomically(&self.file, &bytes)?;
        let file = OpenOptions::new().append(true).open(&self.file);
        let file = file.map_err(|why| CacheError::Append {
            path: self.file.clone(),
            why,
        })?;
        Ok(Saved {
            file,
            id,
            frames: 1,
            whole: length(&bytes),
            len: length(&bytes),
            position: set.position(),
            at: Moment::now(),
        })
    }

    fn seal(
        &self,
        id: [u8; 16],
        number: u64,
        set: &KeySet,
        revoked: &[(Fingerprint, u64)],
    ) -> Result<Vec<u8>, CacheError> {
        let body = codec::encode(set, revoked, self.contact);
        let frame = self.frames(id).seal(number, &body)?;
        frame.ok_or_else(|| CacheError::TooLarge(self.file.clone()))
    }

    /// Opens what is there; `None` where there is no file.
    pub(crate) fn load(&mut self, now: u64) -> Result<Option<Cached>, CacheError> {
        let bytes = match fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => {
                let path = self.file.clone();
                return Err(CacheError::Read { path, why });
            }
        };
        if frames::is_former(&bytes) {
            return Err(CacheError::Former(self.file.clone()));
        }
        let damaged = || CacheError::Open(self.file.clone());
        let (id, sealed) = frames::split(&bytes).ok_or_else(damaged)?;
        let mut ids = RevokedIds::new();
        let mut newest = None;
        for body in self.frames(id).open(sealed) {
            let body = codec::decode(&body).ok_or_else(damaged)?;
            ids = ids.with(body.revoked.iter().copied());
            newest = Some(body);
        }
        let newest = newest.ok_or_else(damaged)?;
        let contact = newest.contact;
        if contact > now.saturating_add(CLOCK_SLACK) {
            return Err(CacheError::Clock);
        }
        let material = Material {
            position: newest.position,
            as_of: newest.as_of,
            keys: newest.keys,
            least_versions: newest.least_versions,
            revoked: Revoked::new(newest.revocation_key, ids, newest.position),
        };
        let set = KeySet::new(&material).map_err(|rejected| match rejected {
            Rejected::Lock(error) => error.into(),
            _ => damaged(),
        })?;
        self.contact = contact;
        Ok(Some(Cached {
            set,
            since_contact: Duration::from_secs(now.saturating_sub(contact)),
        }))
    }

    fn frames(&self, id: [u8; 16]) -> Frames<'_> {
        Frames {
            cipher: XChaCha20Poly1305::new((&*self.key.0).into()), // its feature `zeroize` wipes the copy of the key
            service: self.service.as_str(),
            id,
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
