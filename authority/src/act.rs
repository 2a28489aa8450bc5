//! Who acts, when, and under which request id: what an audit record begins with.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::audit::{Action, Event};
use crate::store::{Revision, Transaction};

/// One call, or one thing that the authority does by itself.
#[derive(Clone)]
pub(crate) struct Act {
    /// As in the log and in the answer's `x-request-id`.
    pub(crate) request_id: String,
    /// `operator/NAME`, `service/NAME`, `user/NAME`, `authority/ID`, or empty.
    pub(crate) actor: String,
    /// When it began, Unix milliseconds.
    pub(crate) time_ms: u64,
    /// Where the call came from.
    pub(crate) from: Option<SocketAddr>,
    /// The record that lets the actor do it: nothing is stored once it is another one.
    pub(crate) rests_on: Option<(String, Revision)>,
}

impl Act {
    pub(crate) fn new(request_id: String, actor: String) -> Self {
        Self {
            request_id,
            actor,
            time_ms: now_ms(),
            from: None,
            rests_on: None,
        }
    }

    /// When it began, Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        self.time_ms / 1000
    }

    /// That time and a length.
    pub(crate) fn after(&self, length: Duration) -> u64 {
        self.now().saturating_add(length.as_secs())
    }

    /// A transaction that happens only while the actor may.
    pub(crate) fn rest(&self, transaction: Transaction) -> Transaction {
        match &self.rests_on {
            Some((key, revision)) => transaction.unchanged(key, *revision),
            None => transaction,
        }
    }

    /// The same, for what is decided in its own transaction, or has to follow what was done already.
    pub(crate) fn resting_on_nothing(&self) -> Self {
        Self {
            rests_on: None,
            ..self.clone()
        }
    }

    pub(crate) fn event(&self, action: Action, subject: impl Into<String>) -> Event {
        let event = Event::new(
            self.time_ms,
            self.request_id.as_str(),
            self.actor.as_str(),
            action,
            subject,
        );
        match self.from {
            Some(from) => event.field("from", from.to_string()),
            None => event,
        }
    }
}

/// The clock, Unix milliseconds; a clock before 1970 counts as 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
