//! A store and its log, started together, and what the log has.

use std::path::Path;
use std::sync::Arc;

use cattery_authority::audit::{Changes, log_path};
use cattery_authority::store::{Store, Transaction};
use tempfile::TempDir;

use crate::support::{NOW_MS, open_audit};

pub(crate) const ID: &str = "authority-1";

pub(crate) async fn start(dir: &TempDir, store: Arc<dyn Store>) -> Changes {
    start_in(dir.path(), store).await
}

pub(crate) async fn start_in(dir: &Path, store: Arc<dyn Store>) -> Changes {
    let changes = unsettled_in(dir, store, 1);
    changes.settle(NOW_MS).await.unwrap();
    changes
}

pub(crate) fn unsettled(dir: &TempDir, store: Arc<dyn Store>) -> Changes {
    unsettled_in(dir.path(), store, 1)
}

pub(crate) fn unsettled_in(dir: &Path, store: Arc<dyn Store>, incarnation: u64) -> Changes {
    let (audit, dangling) = open_audit(dir, ID);
    Changes::new(store, audit, dangling, incarnation)
}

pub(crate) fn put(key: &str) -> Transaction {
    Transaction::new().absent(key).put(key, "value")
}

/// `intent`, `outcome done` and so on, in order.
pub(crate) fn log(dir: &TempDir) -> Vec<String> {
    let text = std::fs::read_to_string(log_path(dir.path(), ID)).unwrap();
    text.lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}", word("kind"), word("outcome"))
                .trim()
                .to_owned()
        })
        .collect()
}
