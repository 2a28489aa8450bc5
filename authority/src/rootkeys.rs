//! The root keys: nothing else in any program of the project ever holds one.
//!
//! They are in locked memory from their first use on, and leave this module only as keys of services.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use cattery_core::epoch::Line;
use cattery_core::{RootKey, ServiceKey, ServiceName};
use cattery_locked::Locked;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::records::key;
use crate::seal::{SealError, Sealer};
use crate::store::Store;

type Held = BTreeMap<u32, Arc<Locked<RootKey>>>;

/// Root keys by epoch.
pub(crate) struct RootKeys {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    held: RwLock<Held>,
}

/// A root key that nobody has seen, sealed for its place in the store.
pub(crate) fn fresh_root(sealer: &Sealer, epoch: u32) -> Result<Vec<u8>, SealError> {
    let mut root = Locked::new([0; 32])?;
    getrandom::fill(&mut *root).map_err(SealError::Random)?;
    sealer.seal(&key::root(epoch), &*root)
}

impl RootKeys {
    pub(crate) fn new(store: Arc<dyn Store>, sealer: Arc<Sealer>) -> Self {
        Self {
            store,
            sealer,
            held: RwLock::default(),
        }
    }

    /// S of one service in one epoch.
    pub(crate) async fn service_key(
        &self,
        epoch: u32,
        service: &ServiceName,
        generation: u32,
    ) -> Result<ServiceKey, Failure> {
        Ok(self.root(epoch).await?.service_key(service, generation))
    }

    /// Takes a root key into memory, so that it is known to be there.
    pub(crate) async fn load(&self, epoch: u32) -> Result<(), Failure> {
        self.root(epoch).await.map(drop)
    }

    /// A root key that nobody has seen, sealed for its place in the store.
    pub(crate) fn fresh(&self, epoch: u32) -> Result<Vec<u8>, Failure> {
        Ok(fresh_root(&self.sealer, epoch)?)
    }

    /// Wipes every root key but those of the epochs that are live.
    pub(crate) fn keep_only(&self, live: &Line) {
        let live: Vec<u32> = live.live().collect();
        self.write().retain(|epoch, _| live.contains(epoch));
    }

    async fn root(&self, epoch: u32) -> Result<Arc<Locked<RootKey>>, Failure> {
        let held = self.read().get(&epoch).cloned();
        if let Some(root) = held {
            return Ok(root);
        }
        let path = key::root(epoch);
        let entry = self.store.get(&path).await?;
        // Retired since whoever asks looked; at the start all were there.
        let entry = entry.ok_or(Failure::Contended)?;
        let bytes = self.sealer.open(&path, &entry.value)?;
        let bytes: &[u8; 32] = bytes[..]
            .try_into()
            .map_err(|_| Failure::Broken("a root key in the store has a wrong length"))?;
        let root = Arc::new(Locked::new_with(|| {
            RootKey::from_bytes(*Zeroizing::new(*bytes))
        })?);
        Ok(self.write().entry(epoch).or_insert(root).clone())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}
