//! What runs: it is stopped, and waited for, however far a start came.

use super::upstream::Upstream;

/// The parts of a development cluster that have been started.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) authority: Option<cattery_authority::app::Running>,
    pub(super) agent: Option<cattery_agent::Running>,
    pub(super) upstream: Option<Upstream>,
}

impl Parts {
    /// Callers first, then those whom they ask.
    pub(super) async fn stop(self) {
        if let Some(upstream) = self.upstream {
            upstream.shutdown().await;
        }
        if let Some(agent) = self.agent {
            agent.shutdown().await;
        }
        if let Some(authority) = self.authority {
            authority.shutdown().await;
        }
    }
}
