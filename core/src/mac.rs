//! HMAC-SHA-256 (RFC 2104), keyed once and used many times.

use hmac::digest::{FixedOutput, Update};
use hmac::{Hmac, KeyInit};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::limits::KEY_LEN;
use crate::wire::Sink;

/// 32 secret bytes, wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret(pub(crate) [u8; KEY_LEN]);

/// A keyed state. It stands for the key: hmac's feature `zeroize` wipes it on drop, copies for one MAC included.
pub(crate) struct Keyed(Hmac<Sha256>);

impl Keyed {
    /// Two compressions, for the inner and the outer pad.
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..KEY_LEN].copy_from_slice(key);
        let state = Hmac::new(&block);
        block.as_mut_slice().zeroize();
        Self(state)
    }

    /// Begins one MAC.
    pub(crate) fn begin(&self) -> Mac {
        Mac(self.0.clone())
    }
}

// An `Hmac` is made of the cores and the buffer that a `Sha256` is made of, and has no marker of its own. Without the
// features `zeroize` this does not compile.
const _: () = {
    const fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<Sha256>();
};

/// A MAC in the making.
pub(crate) struct Mac(Hmac<Sha256>);

impl Mac {
    pub(crate) fn finish(self) -> Secret {
        let mut out = Secret([0; KEY_LEN]);
        self.0.finalize_into((&mut out.0).into());
        out
    }
}

impl Sink for Mac {
    fn put(&mut self, bytes: &[u8]) {
        Update::update(&mut self.0, bytes);
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; KEY_LEN] {
    Sha256::digest(bytes).into()
}
