//! This authority's place among the cluster's: a session in the store that every change rests on, and whether it leads.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::failure::Failure;
use crate::records::key;
use crate::store::{BootTime, Revision, Session, SessionId, Transaction};

/// What this authority may rest its changes on. A process that was frozen for longer than its session has none, and what it had
/// decided before does not happen.
#[derive(Default)]
pub(crate) struct Standing(RwLock<Option<Seat>>);

/// A session, and where it is in the store.
pub(crate) struct Seat {
    pub(crate) session: Session,
    pub(crate) key: String,
    pub(crate) revision: Revision,
    /// The election's, while this authority leads.
    pub(crate) leads: Option<Revision>,
}

impl Standing {
    /// Takes a seat, or gives it up.
    pub(crate) fn set(&self, seat: Option<Seat>) {
        *self.write() = seat;
    }

    /// Gives the seat up, and returns once the store knows.
    pub(crate) async fn leave(&self) {
        let seat = self.write().take();
        if let Some(seat) = seat {
            seat.session.close().await;
        }
    }

    /// Notes that this authority leads.
    pub(crate) fn elected(&self, revision: Revision) {
        if let Some(seat) = &mut *self.write() {
            seat.leads = Some(revision);
        }
    }

    /// What a leader's acts rest on; `None` for an authority that does not lead.
    pub(crate) fn election(&self) -> Option<(String, Revision)> {
        let seat = self.read();
        let seat = seat.as_ref().filter(|seat| seat.session.is_live())?;
        Some((key::LEADER.to_owned(), seat.leads?))
    }

    /// What it may put things into that are to end with it.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.read().as_ref().map(|seat| seat.session.id())
    }

    /// A transaction that happens only while the session lives.
    ///
    /// # Errors
    /// There is no session: nothing can be changed now.
    pub(crate) fn rest(&self, transaction: Transaction) -> Result<Transaction, Failure> {
        match &*self.read() {
            Some(seat) if seat.session.is_live() => {
                Ok(transaction.unchanged(&seat.key, seat.revision))
            }
            Some(_) | None => Err(Failure::Unconfirmed),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Seat>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Seat>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time that something is decided by, and how long the decision is good.
#[derive(Clone, Copy)]
pub(crate) struct Decided {
    /// Unix seconds.
    pub(crate) now: u64,
    /// From then on it is too late to send it to the store.
    pub(crate) by: BootTime,
}

impl Decided {
    /// The clock, now.
    pub(crate) fn now() -> Self {
        let by = BootTime::now().after(crate::timing::DECISION);
        Self {
            now: crate::act::now_ms() / 1000,
            by,
        }
    }
}
