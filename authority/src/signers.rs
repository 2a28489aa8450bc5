//! The key of the CA that signs: taken from the store when another one's turn comes, and wiped when its turn is over.

use std::sync::{Arc, Mutex, PoisonError};

use crate::ca::{Ca, CaError};
use crate::failure::Failure;
use crate::seal::Sealer;
use crate::store::Store;

/// The CA that signs, by its number.
pub(crate) struct Signers {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    held: Mutex<Option<Arc<Ca>>>,
}

impl Signers {
    pub(crate) fn new(store: Arc<dyn Store>, sealer: Arc<Sealer>) -> Self {
        Self {
            store,
            sealer,
            held: Mutex::default(),
        }
    }

    /// The CA with this number, which the store says signs.
    pub(crate) async fn get(&self, number: u32) -> Result<Arc<Ca>, Failure> {
        let held = self.held().clone();
        if let Some(ca) = held.filter(|ca| ca.number() == number) {
            return Ok(ca);
        }
        let ca = match Ca::load_number(&*self.store, &self.sealer, number).await {
            Ok(ca) => Arc::new(ca),
            // Its turn ended since the caller looked.
            Err(CaError::Missing) => return Err(Failure::Contended),
            Err(error) => return Err(error.into()),
        };
        *self.held() = Some(ca.clone());
        Ok(ca)
    }

    /// What the store keeps of a CA.
    pub(crate) fn seal(&self, ca: &Ca) -> Result<Vec<u8>, Failure> {
        Ok(ca.encode(&self.sealer)?)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Arc<Ca>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
