use cattery_locked::Locked;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::BackupError;
use crate::seal::{SealError, Sealer};

/// The HKDF info of the key.
const INFO: &[u8] = b"cattery.v1 backup mac key";

/// A MAC in the making. It is wiped on drop, as it stands for the key.
#[derive(Clone)]
pub(super) struct BackupMac(Hmac<Sha256>);

impl BackupMac {
    pub(super) fn new(sealer: &Sealer) -> Result<Self, BackupError> {
        let mut key = Locked::new([0; 32]).map_err(SealError::Memory)?;
        sealer.derive(INFO, &mut key)?;
        let state = Hmac::new_from_slice(&*key).map_err(|_| SealError::Interrupted)?;
        Ok(Self(state))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }

    /// In constant time.
    pub(super) fn is(self, expected: &[u8; 32]) -> bool {
        self.0.verify_slice(expected).is_ok()
    }
}
