//! What ends a command that runs for long: Ctrl-C, `kill`, and a terminal that is closed.

use anyhow::Context as _;
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

/// Hears them from its making on.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on, none of them ends the process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("signals cannot be heard");
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(crate) async fn any(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
