//! The file's form: `"cattery.cache.3" || id (16)`, then frames, one behind the other: be32(length) || nonce (24) ||
//! XChaCha20-Poly1305(key, body). The associated data is id || be64(number of the frame) || the service's name, so that a frame is good
//! in its own place alone.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::cache::CacheError;

const MAGIC: &[u8] = b"cattery.cache.3";
/// Of versions that knew no revoked ids, or no position.
const FORMER_MAGICS: [&[u8]; 2] = [b"cattery.cache.1", b"cattery.cache.2"];
const NONCE_LEN: usize = 24;

/// Seals and opens the frames of one file.
pub(super) struct Frames<'a> {
    pub(super) cipher: XChaCha20Poly1305,
    pub(super) service: &'a str,
    /// Tells this file from those that it replaced.
    pub(super) id: [u8; 16],
}

/// What a file begins with.
pub(super) fn head(id: [u8; 16]) -> Vec<u8> {
    [MAGIC, &id].concat()
}

/// Whether an older version wrote it.
pub(super) fn is_former(file: &[u8]) -> bool {
    FORMER_MAGICS.iter().any(|magic| file.starts_with(magic))
}

/// The id of the file, and its frames.
pub(super) fn split(file: &[u8]) -> Option<([u8; 16], &[u8])> {
    let (id, frames) = file.strip_prefix(MAGIC)?.split_first_chunk()?;
    Some((*id, frames))
}

impl Frames<'_> {
    /// The frame with this number. `None` where the cipher takes no more.
    pub(super) fn seal(&self, number: u64, body: &[u8]) -> Result<Option<Vec<u8>>, CacheError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(CacheError::Random)?;
        let aad = self.aad(number);
        let payload = Payload {
            msg: body,
            aad: &aad,
        };
        let Ok(sealed) = self.cipher.encrypt(&XNonce::from(nonce), payload) else {
            return Ok(None);
        };
        let len = u32::try_from(NONCE_LEN + sealed.len()).ok();
        Ok(len.map(|len| [&len.to_be_bytes()[..], &nonce, &sealed].concat()))
    }

    /// The bodies, up to the first frame that does not open: the last one may be half of what was written when the power went.
    pub(super) fn open(&self, frames: &[u8]) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
        let mut rest = frames;
        (0..).map_while(move |number| {
            let (len, behind) = rest.split_first_chunk()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            let (frame, behind) = behind.split_at_checked(len)?;
            rest = behind;
            let (nonce, sealed) = frame.split_first_chunk::<NONCE_LEN>()?;
            let aad = self.aad(number);
            let payload = Payload {
                msg: sealed,
                aad: &aad,
            };
            let opened = self.cipher.decrypt(&XNonce::from(*nonce), payload);
            opened.ok().map(Zeroizing::new)
        })
    }

    fn aad(&self, number: u64) -> Vec<u8> {
        [&self.id[..], &number.to_be_bytes(), self.service.as_bytes()].concat()
    }
}
