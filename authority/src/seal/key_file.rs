use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cattery_locked::Locked;
use cattery_sdk::systemd::is_private;
use hkdf::Hkdf;
use rustix::fs::OFlags;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{MasterKey, SealError, SealMeta, UnsealMethod, Wrapping};

/// A file with a key that wraps the master key: `catmaster1_` and 32 random bytes in base64url, on one line.
pub struct KeyFile {
    key: Locked<[u8; 32]>,
}

/// What secret scanners find.
const PREFIX: &str = "catmaster1_";
/// Longer than any key file.
const READ_AT_MOST: usize = 256;
const O_NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();
const INFO: &[u8] = b"cattery.v1 wrap with key file";

impl KeyFile {
    /// Reads a key file, which nobody but its owner may be able to read.
    ///
    /// # Errors
    ///
    /// [`SealError::File`], [`SealError::Exposed`] or [`SealError::KeyFile`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SealError> {
        let path = path.as_ref();
        let failed = |source| SealError::File {
            what: "read",
            path: path.into(),
            source,
        };
        // Opening a FIFO would wait for its writer for ever.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(path)
            .map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(not_one(
                path,
                "it is not a regular file; name the file that `cattery init` made",
            ));
        }
        if !is_private(path, &meta) {
            return Err(SealError::Exposed {
                path: path.into(),
                mode: meta.mode() & 0o7777,
            });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(2 * READ_AT_MOST));
        file.take(READ_AT_MOST as u64)
            .read_to_end(&mut text)
            .map_err(failed)?;
        Self::parse(&text)?.ok_or_else(|| not_one(path, "it does not hold `catmaster1_` and 43 characters; restore the file that `cattery init` made"))
    }

    /// Makes a key file, readable by its owner only, where nothing may be, and writes it through to the disk.
    ///
    /// # Errors
    ///
    /// [`SealError::File`], [`SealError::Random`] or [`SealError::Memory`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, SealError> {
        let path = path.as_ref();
        let failed = |source| SealError::File {
            what: "make",
            path: path.into(),
            source,
        };
        let mut key = Locked::new([0; 32])?;
        getrandom::fill(&mut *key).map_err(SealError::Random)?;
        let text = Zeroizing::new(format!(
            "{PREFIX}{}\n",
            *Zeroizing::new(URL_SAFE_NO_PAD.encode(*key))
        ));
        // A file of that name holds a whole key or is not there: written beside, then linked, which replaces nothing.
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(SealError::Random)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", hex::encode(number)));
        let made = write_through(Path::new(&beside), &text)
            .and_then(|()| std::fs::hard_link(&beside, path));
        let _ = std::fs::remove_file(&beside);
        made.map_err(failed)?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
        Ok(Self { key })
    }

    /// `None` where the text is not a key file's.
    fn parse(text: &[u8]) -> Result<Option<Self>, SealError> {
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let decoded = line
            .strip_prefix(PREFIX.as_bytes())
            .map(|encoded| URL_SAFE_NO_PAD.decode(encoded));
        let Some(Ok(bytes)) = decoded else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(bytes);
        let mut key = Locked::new([0; 32])?;
        if bytes.len() != key.len() {
            return Ok(None);
        }
        key.copy_from_slice(&bytes);
        Ok(Some(Self { key }))
    }

    fn wrapping_key(&self, salt: &str) -> Result<Locked<[u8; 32]>, SealError> {
        let mut wrapping_key = Locked::new([0; 32])?;
        Hkdf::<Sha256>::new(Some(salt.as_bytes()), &*self.key)
            .expand(INFO, &mut *wrapping_key)
            .map_err(|_| SealError::Interrupted)?;
        Ok(wrapping_key)
    }
}

impl UnsealMethod for KeyFile {
    fn wrap(&self, cluster_id: &str, master: &MasterKey) -> Result<SealMeta, SealError> {
        let salt = super::random_salt()?;
        let key = self.wrapping_key(&salt)?;
        SealMeta::wrap(cluster_id, Wrapping::KeyFile { salt }, &key, master)
    }

    fn unwrap(&self, meta: &SealMeta) -> Result<MasterKey, SealError> {
        let Wrapping::KeyFile { salt } = meta.wrapping() else {
            return Err(SealError::OtherMethod {
                cluster_id: meta.cluster_id().to_owned(),
                sealed_with: "passphrase",
                given: "key file",
            });
        };
        meta.unwrap(&self.wrapping_key(salt)?)?.ok_or_else(|| SealError::Wrong {
            method: "key file",
            cluster_id: meta.cluster_id().to_owned(),
            remedy: "correct `key_file` in authority.toml, or start in the directory that this key file belongs to",
        })
    }
}

fn write_through(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn not_one(path: &Path, why: &str) -> SealError {
    SealError::KeyFile {
        path: PathBuf::from(path),
        why: why.to_owned(),
    }
}
