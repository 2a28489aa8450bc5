//! Stopping between two steps, never in the middle of one.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

use crate::signals::Signals;

/// Counts the signals that ask for an end.
pub(crate) struct Stop {
    asked: watch::Receiver<u32>,
}

impl Stop {
    /// On Ctrl-C and the like.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let mut signals = Signals::listen()?;
        let (count, asked) = watch::channel(0_u32);
        tokio::spawn(async move {
            loop {
                signals.any().await;
                count.send_modify(|count| *count = count.saturating_add(1));
            }
        });
        Ok(Self { asked })
    }

    /// Where somebody else counts.
    #[cfg(test)]
    pub(crate) fn counted_by(asked: watch::Receiver<u32>) -> Self {
        Self { asked }
    }

    /// Whether an end was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        *self.asked.borrow() > 0
    }

    /// What comes of `work`; none where an end is asked for before.
    pub(crate) async fn unless_asked<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        self.until(1, work).await
    }

    /// The same for work that should not be left alone: it takes two signals.
    pub(crate) async fn unless_urged<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        self.until(2, work).await
    }

    /// Waits. Whether an end was asked for before the time was over.
    pub(crate) async fn within(&mut self, pause: Duration) -> bool {
        timeout(pause, self.unless_asked(std::future::pending::<()>()))
            .await
            .is_ok()
    }

    async fn until<T>(&mut self, signals: u32, work: impl Future<Output = T>) -> Option<T> {
        let asked = async {
            // Nobody is left who could ask.
            if self
                .asked
                .wait_for(|count| *count >= signals)
                .await
                .is_err()
            {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            // What is done is done.
            biased;
            done = work => Some(done),
            () = asked => None,
        }
    }
}
