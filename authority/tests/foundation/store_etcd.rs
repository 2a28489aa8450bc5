//! The store on real etcds: what every store has to do, and what only one of several members can get wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cattery_authority::store::{Etcd as EtcdStore, Store};
use cattery_tests::etcd::{Etcd, Version};
use tempfile::TempDir;

use crate::store_conformance::conforms;

/// A store below a prefix, in an etcd of the harness.
pub(crate) async fn store(etcd: &Etcd, prefix: &str) -> Arc<dyn Store> {
    let options = etcd.options(prefix).unwrap();
    Arc::new(EtcdStore::connect(options).await.unwrap())
}

async fn each_below_a_prefix_of_its_own(etcd: &Etcd) {
    let count = AtomicU32::new(0);
    conforms(|| {
        let prefix = format!("/conforms/{}/", count.fetch_add(1, Ordering::Relaxed));
        async move { store(etcd, &prefix).await }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_3_4_conforms() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::start(Version::V3_4, dir.path()).await.unwrap();
    each_below_a_prefix_of_its_own(&etcd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_3_5_with_tls_and_a_login_conforms() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::new(Version::V3_5, dir.path(), 1)
        .and_then(Etcd::with_tls)
        .unwrap();
    let mut etcd = etcd.started().await.unwrap();
    etcd.require_login("authority", "its password", "/conforms/")
        .await
        .unwrap();
    each_below_a_prefix_of_its_own(&etcd).await;
}
