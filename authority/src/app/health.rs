//! Whether the authority can do what it is there for, as its health service says.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

use crate::act::{Act, now_ms};
use crate::audit::{Action, Changes};
use crate::cluster::Authority;
use crate::failure::chain;
use crate::rpc::report;
use crate::store::Transaction;

/// Pause before the store and the audit log are tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Says that it serves, and that it does not while the store or the audit log fails, until `drain`.
pub(super) async fn keep(
    health: &HealthReporter,
    authority: &Authority,
    changes: &Changes,
    drain: &CancellationToken,
) {
    let mut trouble = authority.trouble.subscribe();
    let kept = async {
        loop {
            report(health, true).await;
            // Fails only without a sender, and the authority is one.
            let _ = trouble.wait_for(|trouble| *trouble).await;
            report(health, false).await;
            tracing::warn!("not serving: the store or the audit log fails");
            sleep(PAUSE).await;
            while let Err(why) = try_again(changes).await {
                tracing::debug!(error = why, "still not serving");
                sleep(PAUSE).await;
            }
            authority.trouble.send_replace(false);
            tracing::info!("serving again");
        }
    };
    drain.run_until_cancelled(kept).await;
    report(health, false).await;
}

/// A change of nothing goes through both, and says in the log that there was a gap.
async fn try_again(changes: &Changes) -> Result<(), String> {
    // First what leaves no record, so that a store that fails for long does not fill the log.
    let authority = format!("authority/{}", changes.audit().authority_id());
    let act = Act::new(String::new(), authority.clone());
    let event = act.event(Action::AuthorityResumed, authority);
    let result = match changes.mark(now_ms()).await {
        Ok(()) => changes.apply(event, Transaction::new()).await.map(drop),
        failed => failed,
    };
    result.map_err(|error| chain(&error))
}
