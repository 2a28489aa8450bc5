//! Watches from outside whether keys are rotated in time: whoever should do it may be the one who hangs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::cluster::Authority;
use crate::finding::Finding;

/// How often there is a look.
const LOOK: Duration = Duration::from_secs(5);
/// What the health service calls it: `NOT_SERVING` while the rotation is overdue.
pub(crate) const ROTATION: &str = "cattery.v1.Rotation";

/// Watches until `drain`.
pub(super) async fn keep(
    authority: Arc<Authority>,
    health: HealthReporter,
    drain: CancellationToken,
) {
    let mut was_overdue = None;
    loop {
        let finding = Finding::of(&authority);
        authority.finding.send_replace(finding);
        let overdue = finding.rotation_overdue;
        if was_overdue != Some(overdue) {
            let status = match overdue {
                true => ServingStatus::NotServing,
                false => ServingStatus::Serving,
            };
            health.set_service_status(ROTATION, status).await;
            match (was_overdue, overdue) {
                (_, true) => tracing::error!(
                    "the rotation of the root keys is overdue: see `cattery epoch list` and the leader's log"
                ),
                (Some(true), false) => {
                    tracing::info!("the rotation of the root keys is in time again");
                }
                _ => {}
            }
            was_overdue = Some(overdue);
        }
        if timeout(LOOK, drain.cancelled()).await.is_ok() {
            return;
        }
    }
}
