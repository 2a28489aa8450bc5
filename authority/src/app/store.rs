//! Opening the store that `authority.toml` names.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::open::patiently;
use super::{StartError, Stop};
use crate::config::{Config, StoreSettings};
use crate::init::STORE_FILE;
use crate::store::{Embedded, Etcd, Metered, Store, StoreError, StoreMeters, Transaction};

/// How often a store that others keep is asked where it is.
const ASK: Duration = Duration::from_secs(2);

/// Opens it. A store that fails for good takes the authority along.
pub(super) async fn open(
    config: &Config,
    stop: &Stop,
    tasks: &TaskTracker,
    meters: Arc<StoreMeters>,
) -> Result<Arc<dyn Store>, StartError> {
    match &config.store {
        StoreSettings::Embedded => {
            let path = config.dir.join(STORE_FILE);
            let in_use = |error: &StoreError| matches!(error, StoreError::InUse { .. });
            let store = patiently(move || Embedded::open(&path), in_use).await?;
            stop.with(tasks, "the store", store.ended());
            Ok(Arc::new(Metered::new(Arc::new(store), meters)))
        }
        StoreSettings::Etcd(etcd) => {
            let store = Etcd::connect(etcd.options()?).await?;
            stop.with(tasks, "the store", store.went_back());
            let store: Arc<dyn Store> = Arc::new(Metered::new(Arc::new(store), meters));
            tasks.spawn(ask(store.clone(), stop.drain.clone()));
            Ok(store)
        }
    }
}

/// Asks now and then, so that it is noticed soon if the store went back: by whoever answers.
async fn ask(store: Arc<dyn Store>, drain: CancellationToken) {
    while timeout(ASK, drain.cancelled()).await.is_err() {
        // Whoever needs an answer says what is wrong.
        let _ = store.commit(Transaction::new()).await;
    }
}

/// Where it is, for people.
pub(super) fn place(config: &Config) -> String {
    match &config.store {
        StoreSettings::Embedded => config.dir.display().to_string(),
        StoreSettings::Etcd(etcd) => format!("etcd below {}", etcd.prefix),
    }
}
