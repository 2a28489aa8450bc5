//! What several tests of the registry use.

use std::sync::Arc;

use super::Registry;
use crate::audit::{Audit, Changes};
use crate::store::{Embedded, Store};

/// Some time in 2026.
pub(super) const NOW: u64 = 1_790_000_000;

/// An empty one, in `dir`.
pub(super) fn registry(dir: &tempfile::TempDir) -> (Registry, Arc<dyn Store>) {
    let store: Arc<dyn Store> = Arc::new(Embedded::create(dir.path().join("s")).unwrap());
    let (audit, dangling) = Audit::open(dir.path(), "a").unwrap();
    let changes = Changes::new(store.clone(), audit, dangling);
    (Registry::new(store.clone(), changes), store)
}

/// A request for a certificate.
pub(super) fn csr() -> Vec<u8> {
    let keys = cattery_sdk::identity::KeyPair::generate().unwrap();
    keys.csr().unwrap()
}
