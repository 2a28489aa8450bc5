//! Agents that hold more than the store has: a sign that it was put back to an older state.

use std::sync::{Mutex, PoisonError};

use cattery_core::epoch::Position;

/// What is known of them. Any agent can claim to be one, so it is told to people, and stops nothing but that agent's stream.
#[derive(Default)]
pub(crate) struct Behind(Mutex<Option<String>>);

impl Behind {
    /// An agent holds what a store that was asked just now does not have. Only the first one goes to the log.
    pub(crate) fn note(&self, agent: &str, holds: Position, store: Position) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            tracing::error!(
                agent, %holds, %store,
                "an agent holds what the store does not have: was an older state of the store put back? Then restore a backup with `cattery restore`"
            );
            *known = Some(format!(
                "agent {agent} holds {holds}, and the store is at {store}: if an older state of the store was put back, stop every authority and restore a \
                 backup with `cattery restore`; agents refuse this one"
            ));
        }
    }

    /// Whether there are any.
    pub(crate) fn is_any(&self) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_some()
    }

    /// For the status.
    pub(crate) fn warning(&self) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }
}
