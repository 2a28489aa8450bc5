//! What several tests of the registry use.

use std::sync::Arc;

use cattery_core::epoch::Line;

use super::Registry;
use crate::audit::{Audit, Changes};
use crate::ca::{Ca, Cas};
use crate::records::{EpochsRecord, FeedRecord, key};
use crate::seal::{MasterKey, Sealer};
use crate::signers::Signers;
use crate::standing::Seat;
use crate::store::{Embedded, Store, Transaction};
use crate::timing::SESSION;

/// Some time in 2026.
pub(super) const NOW: u64 = 1_790_000_000;

/// An empty one, in `dir`.
pub(super) async fn registry(dir: &tempfile::TempDir) -> (Registry, Arc<dyn Store>) {
    let (registry, store, _) = registry_with_ca(dir).await;
    (registry, store)
}

/// The same, with the cluster's first CA.
pub(super) async fn registry_with_ca(
    dir: &tempfile::TempDir,
) -> (Registry, Arc<dyn Store>, Signers) {
    let store: Arc<dyn Store> = Arc::new(Embedded::create(dir.path().join("s")).unwrap());
    let (audit, dangling) = Audit::open(dir.path(), "a").unwrap();
    let changes = Changes::new(store.clone(), audit, dangling, 1);
    let registry = Registry::new(store.clone(), changes, 1);
    let session = store.open_session(SESSION).await.unwrap();
    let (key, revision) = super::register(&*store, "a", session.id()).await.unwrap();
    registry.standing().set(Some(Seat {
        session,
        key,
        revision,
        leads: None,
    }));
    let epochs = EpochsRecord {
        line: (&Line::first(1, NOW)).into(),
        greatest_lease: 3600,
        changed: 1,
    };
    let feed = FeedRecord {
        sequence: 1,
        cluster_changed: 1,
        awaited: 0,
    };
    let ca = Ca::create("example.org", NOW).unwrap();
    let sealer = Arc::new(Sealer::new(&MasterKey::generate().unwrap(), "c1").unwrap());
    let first = Transaction::new()
        .save(key::CAS, &Cas::first(&ca, NOW).record(1))
        .put(ca.path(), ca.encode(&sealer).unwrap())
        .save(key::EPOCHS_LIVE, &epochs)
        .save(key::FEED, &feed);
    registry.note(first).await.unwrap();
    let signers = Signers::new(store.clone(), sealer);
    (registry, store, signers)
}

/// A request for a certificate.
pub(super) fn csr() -> Vec<u8> {
    let keys = cattery_sdk::identity::KeyPair::generate().unwrap();
    keys.csr().unwrap()
}
