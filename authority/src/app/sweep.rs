//! Clearing away what is over, once an hour.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::act::now_ms;
use crate::failure::chain;
use crate::registry::Registry;

/// The first time is an hour after the start: by then a machine has set a clock that was wrong.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Sweeps until `drain`.
pub(super) async fn keep(registry: &Registry, drain: &CancellationToken) {
    let (began, start) = (now_ms() / 1000, Instant::now());
    while timeout(INTERVAL, drain.cancelled()).await.is_err() {
        // A clock that jumps ahead must not remove what is still good.
        let now = (now_ms() / 1000).min(began.saturating_add(start.elapsed().as_secs()));
        match registry.sweep(now).await {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "removed what was over from the store"),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "cannot remove what is over from the store");
            }
        }
    }
}
