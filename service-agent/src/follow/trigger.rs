//! What tokens ask for.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Asks for a look at the store: any number of requests are one.
#[derive(Default)]
pub(crate) struct Trigger {
    is_requested: AtomicBool,
    changed: Notify,
}

impl Trigger {
    /// Never waits.
    pub(crate) fn request(&self) {
        if !self.is_requested.swap(true, Ordering::Relaxed) {
            self.changed.notify_one();
        }
    }

    /// Waits for a request. It stays one until it is [taken](Self::take).
    pub(super) async fn requested(&self) {
        while !self.is_requested() {
            self.changed.notified().await;
        }
    }

    pub(super) fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::Relaxed)
    }

    /// Gives whether there was a request, and forgets it.
    pub(super) fn take(&self) -> bool {
        self.is_requested.swap(false, Ordering::Relaxed)
    }
}
