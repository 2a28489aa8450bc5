//! What a running agent says of itself.

use std::{path::Path, time::Duration};

use cattery_proto::v1;
use tokio::time::timeout;

use super::finding::Finding;
use crate::{agent, clock, plain::plain};

/// An agent answers from memory.
const PATIENCE: Duration = Duration::from_secs(3);
/// It beats twice a minute.
const SILENT: u64 = 120;

/// Asks it. `active_epoch` is the cluster's, where that is known.
pub(super) async fn check(socket: &Path, active_epoch: Option<u32>) -> Vec<Finding> {
    let subject = format!("the agent at {}", socket.display());
    match timeout(PATIENCE, ask(socket)).await {
        Ok(Ok(status)) => judge(&subject, &status, active_epoch),
        Ok(Err(why)) => vec![Finding::error(
            "agent",
            subject,
            format!("{why:#}"),
            "look at its log; is it the agent that listens there?",
        )],
        Err(_) => vec![Finding::error(
            "agent",
            subject,
            "takes connections, and does not answer: it hangs, or is stopped",
            "is the process stopped (SIGSTOP, a debugger), or the machine overloaded? Its log says more; restart it",
        )],
    }
}

async fn ask(socket: &Path) -> anyhow::Result<v1::GetStatusResponse> {
    let mut agent = agent::connect(socket).await?;
    let answer = agent.get_status(v1::GetStatusRequest {}).await;
    let answer = answer.map_err(|status| agent::refused(socket, &status))?;
    Ok(answer.into_inner())
}

fn judge(subject: &str, status: &v1::GetStatusResponse, active_epoch: Option<u32>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let notes: Vec<_> = status.notes.iter().map(|note| plain(note)).collect();
    let notes = notes.join("; ");
    let service = plain(&status.service);
    let remedy = "mend the way to the authorities: it takes up what it missed by itself, and needs no restart";
    findings.push(match (status.ready, notes.is_empty()) {
        (false, true) => Finding::error("agent", subject, "does not verify", remedy),
        (false, false) => Finding::error(
            "agent",
            subject,
            format!("does not verify: {notes}"),
            remedy,
        ),
        (true, false) => Finding::warning(
            "agent",
            subject,
            format!("verifies for {service}: {notes}"),
            remedy,
        ),
        (true, true) => Finding::ok("agent", subject, format!("verifies for {service}")),
    });
    let feed = format!("the feed of {subject}");
    findings.push(match status.last_contact_seconds {
        None => Finding::error("feed", feed, "no authority was heard since the start", remedy),
        Some(seconds) if seconds > SILENT => Finding::error(
            "feed",
            feed,
            format!(
                "lags: no authority was heard for {}; revocations do not arrive, and in {} it stops verifying",
                clock::span(seconds),
                clock::span(status.outage_budget_left_seconds)
            ),
            remedy,
        ),
        Some(seconds) => Finding::ok("feed", feed, format!("last heard {seconds} s ago")),
    });
    let newest = status.epochs.iter().map(|held| held.epoch).max();
    if let (Some(active), Some(newest)) = (active_epoch, newest) {
        let keys = format!("the keys of {subject}");
        findings.push(if newest < active {
            Finding::error(
                "epochs",
                keys,
                format!("lag: it holds epoch {newest}, and {active} is active"),
                remedy,
            )
        } else {
            Finding::ok(
                "epochs",
                keys,
                format!("it holds the active epoch {active}"),
            )
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State::{self, Error, Ok, Warning};

    fn states(status: &v1::GetStatusResponse) -> Vec<State> {
        let findings = judge("it", status, Some(3));
        findings.iter().map(Finding::state).collect()
    }

    #[test]
    fn an_agent_lags_by_silence_and_by_epoch() {
        let good = v1::GetStatusResponse {
            ready: true,
            last_contact_seconds: Some(SILENT),
            epochs: vec![v1::HeldEpoch {
                epoch: 3,
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(states(&good), [Ok, Ok, Ok]);
        let mut cut_off = good.clone();
        cut_off.last_contact_seconds = Some(SILENT + 1);
        cut_off.notes = vec!["nobody answers".to_owned()];
        cut_off.epochs[0].epoch = 2;
        assert_eq!(states(&cut_off), [Warning, Error, Error]);
        let mut new = good;
        (new.ready, new.last_contact_seconds) = (false, None);
        new.epochs.clear();
        assert_eq!(states(&new), [Error, Error]);
    }
}
