use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::BootTime;

/// Names a session in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(pub(super) i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Lets entries live as long as this process does: what was
/// [put in a session](super::Transaction::put_in_session) vanishes when that ends.
///
/// It renews itself in the background. Dropped, it ends, at once where the store can be reached.
pub struct Session {
    id: SessionId,
    life: Arc<Life>,
    on_drop: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        life: Arc<Life>,
        on_drop: impl FnOnce() + Send + Sync + 'static,
    ) -> Self {
        Self {
            id,
            life,
            on_drop: Some(Box::new(on_drop)),
        }
    }

    /// What the store calls it.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whether it is certain that the store still has it: some renewal was confirmed within its time of the moment when it was
    /// sent.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.life.is_live()
    }

    /// Returns when the session was lost, or may have been: as soon as [`is_live`](Self::is_live) is false, give or take the
    /// time between two looks at the clock.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.life.ended.clone().cancelled_owned()
    }

    /// Ends it, and returns once the store was told, or could not be: it lets go by itself then, later.
    pub async fn close(mut self) {
        self.let_go();
        self.ended().await;
    }

    fn let_go(&mut self) {
        if let Some(let_go) = self.on_drop.take() {
            let_go();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// How long a session lives.
pub(super) struct Life {
    until: Mutex<BootTime>,
    ended: CancellationToken,
}

impl Life {
    pub(super) fn new(until: BootTime, ended: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            until: Mutex::new(until),
            ended,
        })
    }

    pub(super) fn is_live(&self) -> bool {
        !self.ended.is_cancelled() && !self.until().is_past()
    }

    pub(super) fn until(&self) -> BootTime {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has ended stays so.
    pub(super) fn extend(&self, until: BootTime) {
        let mut now = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *now = until.max(*now);
    }

    pub(super) fn end(&self) {
        self.ended.cancel();
    }
}
