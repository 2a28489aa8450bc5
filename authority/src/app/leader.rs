//! What one authority does for all: rotating keys on their period, ending what has drained, turning CAs over, clearing away what is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cattery_core::epoch::{Command, Line};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::rollover::Turning;
use crate::act::{Act, now_ms};
use crate::cluster::Authority;
use crate::failure::{Failure, chain};
use crate::registry::{Of, Outcome, Wanted, decide};

/// How often there is a look at what is due.
const LOOK: Duration = Duration::from_secs(1);
/// How often what is over is cleared away. The first time is an hour after the start: by then a machine has set a clock that was wrong.
const SWEEP: Duration = Duration::from_secs(3600);
/// How often uses of single-use tokens are cleared away: there may be thousands in a second.
const SWEEP_USED: Duration = Duration::from_secs(60);
/// How often a step that has to wait is mentioned in the log.
const MENTION: Duration = Duration::from_secs(600);

/// Leads whenever this authority is elected, until `drain`.
pub(super) async fn keep(authority: Arc<Authority>, drain: CancellationToken) {
    let (began, start) = (now_ms() / 1000, Instant::now());
    let (mut swept, mut swept_used, mut mentioned) = (Instant::now(), Instant::now(), None);
    let mut turning = Turning::default();
    while timeout(LOOK, drain.cancelled()).await.is_err() {
        let id = format!("authority/{}", authority.config.authority_id);
        let mut act = Act::new(String::new(), id);
        follow(&authority, &act).await;
        let Some(election) = authority.standing().election() else {
            continue;
        };
        act.rests_on = Some(election);
        if let Err(error) = rotate(&authority, &act, &mut mentioned).await {
            tracing::warn!(error = %chain(&error), "cannot see to the keys");
        }
        if let Err(error) = turning.look(&authority, &act).await {
            tracing::warn!(error = %chain(&error), "cannot see to the CAs");
        }
        // A clock that jumps ahead must not remove what is still good.
        let now = act
            .now()
            .min(began.saturating_add(start.elapsed().as_secs()));
        if swept_used.elapsed() >= SWEEP_USED {
            swept_used = Instant::now();
            if let Err(error) = authority.registry.sweep_used(now).await {
                tracing::warn!(error = %chain(&error), "cannot forget uses of tokens that are over");
            }
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            let recovery = authority.config.agent_recovery_window;
            match authority.registry.sweep(now, recovery).await {
                Ok(0) => {}
                Ok(records) => tracing::info!(records, "removed what was over from the store"),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "cannot remove what is over from the store");
                }
            }
        }
    }
}

/// What each authority does for itself, whoever leads: what another one retired leaves its memory, and its leases are such that the
/// next rotation waits for them.
async fn follow(authority: &Authority, act: &Act) {
    let Ok(news) = authority.bulletin.latest() else {
        return;
    };
    authority.root_keys.keep_only(&news.epochs);
    let lease = authority.limits.max_lease;
    if news.greatest_lease < lease
        && let Err(error) = decide(|| authority.registry.allow_lease(act, lease)).await
    {
        tracing::debug!(error = %chain(&error), "cannot raise the greatest lease yet");
    }
}

/// Takes every step whose time has come.
async fn rotate(
    authority: &Authority,
    act: &Act,
    mentioned: &mut Option<Instant>,
) -> Result<(), Failure> {
    let news = authority.bulletin.confirmed().await?;
    let timing = authority.timing();
    let period = authority.rotation_period_of(&news.epochs);
    if let Some(command) = news.epochs.due(act.now(), period, timing) {
        step(
            authority,
            act,
            Of::Cluster,
            &news.epochs,
            command,
            mentioned,
        )
        .await?;
    }
    for service in news.services() {
        let line = &service.generations;
        let command = match line.due(act.now(), None, timing) {
            Some(retire @ Command::Retire { .. }) => Some(retire),
            // Somebody prepared it, so that it would be used.
            _ if line.prepared().is_some() && line.draining().is_none() => {
                Some(Command::Activate { force: false })
            }
            _ => None,
        };
        if let Some(command) = command {
            let of = Of::Service(&service.record.name);
            step(authority, act, of, line, command, mentioned).await?;
        }
    }
    Ok(())
}

async fn step(
    authority: &Authority,
    act: &Act,
    of: Of<'_>,
    line: &Line,
    command: Command,
    mentioned: &mut Option<Instant>,
) -> Result<(), Failure> {
    let wanted = Wanted {
        command,
        expect_active: Some(line.active().number),
        dry_run: false,
    };
    let Authority {
        registry,
        root_keys,
        limits,
        ..
    } = authority;
    let stepped = decide(|| registry.step(act, root_keys, limits, of, wanted)).await?;
    match stepped.outcome {
        Outcome::Done(_) => tracing::info!(of = %of, ?command, "keys moved on"),
        Outcome::Changed => {}
        Outcome::Refused(why) => {
            if mentioned.is_none_or(|at| at.elapsed() >= MENTION) {
                *mentioned = Some(Instant::now());
                tracing::warn!(of = %of, %why, "keys cannot move on yet");
            }
        }
    }
    Ok(())
}
