//! Whether the authority can do what it is there for, as its health service says.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

use crate::act::{Act, now_ms};
use crate::audit::{Action, Changes};
use crate::cluster::Authority;
use crate::failure::chain;
use crate::readiness::Readiness;
use crate::rpc::report;
use crate::store::Transaction;

/// Pause before the store and the audit log are tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// How late a change may be reported that nobody tells of.
const LOOK: Duration = Duration::from_secs(1);

/// Says whether it serves, and tries again while the store or the audit log fails, until `drain`.
pub(super) async fn keep(
    health: &HealthReporter,
    authority: &Authority,
    readiness: &Readiness,
    changes: &Changes,
    drain: &CancellationToken,
) {
    let kept = async {
        tokio::join!(
            tell(health, authority, readiness),
            recover(authority, changes)
        )
    };
    drain.run_until_cancelled(kept).await;
    report(health, false).await;
}

async fn tell(health: &HealthReporter, authority: &Authority, readiness: &Readiness) {
    let mut trouble = authority.trouble.subscribe();
    let mut said = None;
    loop {
        let lacks = readiness.lacks();
        let is_ready = lacks.is_empty();
        if said != Some(is_ready) {
            report(health, is_ready).await;
            match (said, is_ready) {
                (_, false) => tracing::warn!(why = lacks.join("; "), "not serving"),
                (Some(false), true) => tracing::info!("serving again"),
                (_, true) => {}
            }
            said = Some(is_ready);
        }
        // Fails only without a sender, and the authority is one.
        let _ = timeout(LOOK, trouble.changed()).await;
    }
}

async fn recover(authority: &Authority, changes: &Changes) {
    let mut trouble = authority.trouble.subscribe();
    loop {
        // As above.
        let _ = trouble.wait_for(Option::is_some).await;
        sleep(PAUSE).await;
        while let Err(why) = try_again(changes).await {
            tracing::debug!(error = why, "still not serving");
            authority.trouble.send_replace(Some(why));
            sleep(PAUSE).await;
        }
        authority.trouble.send_replace(None);
    }
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
