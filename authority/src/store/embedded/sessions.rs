//! The sessions of the one process that has the file open. Those of earlier ones ended with them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::SessionId;

/// Which sessions there are, and which have ended and still have entries.
#[derive(Default)]
pub(super) struct Sessions(Mutex<State>);

#[derive(Default)]
struct State {
    last: i64,
    live: BTreeSet<SessionId>,
    over: BTreeSet<SessionId>,
}

impl Sessions {
    pub(super) fn open(&self) -> SessionId {
        let mut state = self.state();
        state.last += 1;
        let id = SessionId(state.last);
        state.live.insert(id);
        id
    }

    pub(super) fn end(&self, id: SessionId) {
        let mut state = self.state();
        if state.live.remove(&id) {
            state.over.insert(id);
        }
    }

    pub(super) fn is_live(&self, id: SessionId) -> bool {
        self.state().live.contains(&id)
    }

    /// Those whose entries have to go.
    pub(super) fn over(&self) -> BTreeSet<SessionId> {
        self.state().over.clone()
    }

    /// Their entries are gone.
    pub(super) fn forget(&self, gone: &BTreeSet<SessionId>) {
        self.state().over.retain(|id| !gone.contains(id));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
