//! How far a change has come, and waiting until every live agent has it.

use std::time::Duration;

use cattery_proto::v1::{self, admin_client::AdminClient};
use serde::Serialize;
use tonic::{Response, Status, transport::Channel};

use crate::{
    authority::{Session, may_pass},
    exit::Done,
    out::{self, Live},
    rotation::{Behind, Stop, agent_lines},
};

/// Between two looks. Agents that are connected need a few milliseconds.
const LOOK: Duration = Duration::from_millis(100);
/// How often another authority is asked before it is said that none answers.
const ATTEMPTS: usize = 5;
/// Most agents that the line of progress names.
const NAMED: usize = 3;

/// Who has acknowledged a change.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reach {
    live_agent_count: u32,
    holding_count: u32,
    missing: Vec<Behind>,
}

impl Reach {
    /// Whether every live agent has.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.holding_count >= self.live_agent_count
    }

    /// For people, about what was revoked.
    pub(crate) fn sentence(&self) -> String {
        match (self.live_agent_count, self.holding_count) {
            (0, _) => "no agent is alive".to_owned(),
            (1, 1) => "the one live agent refuses it".to_owned(),
            (live, holding) if holding >= live => format!("all {live} live agents refuse it"),
            (live, holding) => format!("{holding} of {live} live agents refuse it"),
        }
    }
}

impl From<v1::GetReachResponse> for Reach {
    fn from(answer: v1::GetReachResponse) -> Self {
        Self {
            live_agent_count: answer.live_agents,
            holding_count: answer.holding,
            missing: answer.missing.into_iter().map(Behind::from).collect(),
        }
    }
}

/// Says whom somebody waited for in vain, and whether there is nobody.
pub(crate) fn done(reach: Option<&Reach>) -> Done {
    match reach {
        Some(reach) if !reach.is_everywhere() => {
            out::failure_with(
                "it is revoked for good, but these agents have not said yet that they refuse it",
                &unreached(reach),
            );
            Done::Refused
        }
        _ => Done::Well,
    }
}

/// The agents that have not, a line each.
fn unreached(reach: &Reach) -> Vec<String> {
    let count = reach.live_agent_count.saturating_sub(reach.holding_count);
    agent_lines(&reach.missing, count)
}

/// Waits until every live agent has acknowledged all up to `position`, or somebody interrupts.
///
/// # Errors
/// Something that time does not mend. What was changed stays changed.
pub(crate) async fn wait(session: &mut Session, position: v1::Position) -> anyhow::Result<Reach> {
    let mut stop = Stop::on_signals()?;
    let mut live = Live::on_stderr();
    let request = v1::GetReachRequest {
        position: Some(position),
    };
    loop {
        let reach = match session.admin.get_reach(request).await {
            Ok(answer) => Some(Reach::from(answer.into_inner())),
            Err(status) if may_pass(&status) => {
                let why = session.refused(&status);
                let text = format!("asking again, since nothing is lost: {why:#}");
                live.show(&text, &text);
                session.turn_away();
                None
            }
            Err(status) => {
                live.over();
                let why = session.refused(&status);
                return Err(why.context("it is revoked, but how far that has come is not known"));
            }
        };
        if let Some(reach) = reach.as_ref().filter(|reach| !reach.is_everywhere()) {
            let text = waiting(reach);
            live.show(&text, &text);
        }
        let interrupted = match &reach {
            Some(reach) if reach.is_everywhere() => true,
            _ => stop.within(LOOK).await,
        };
        if let (true, Some(reach)) = (interrupted, reach) {
            live.over();
            return Ok(reach);
        }
        if interrupted {
            live.over();
            anyhow::bail!("interrupted: it is revoked, but how far that has come is not known");
        }
    }
}

fn waiting(reach: &Reach) -> String {
    let names: Vec<String> = reach
        .missing
        .iter()
        .take(NAMED)
        .map(Behind::short_name)
        .collect();
    let missing = reach.live_agent_count.saturating_sub(reach.holding_count);
    let unnamed = missing.saturating_sub(u32::try_from(names.len()).unwrap_or(u32::MAX));
    let more = match unnamed {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match names.is_empty() {
        true => reach.sentence(),
        false => format!(
            "{}; waiting for {}{more}",
            reach.sentence(),
            names.join(", ")
        ),
    }
}

/// Asks until an authority answers, for what can be asked twice.
///
/// # Errors
/// The answer is no, or none answers.
pub(crate) async fn ask<T>(
    session: &mut Session,
    call: impl AsyncFn(&mut AdminClient<Channel>) -> Result<Response<T>, Status>,
) -> anyhow::Result<T> {
    let mut attempt = 1;
    loop {
        match call(&mut session.admin).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if may_pass(&status) && attempt < ATTEMPTS => {
                attempt += 1;
                out::note(&format!("asking again: {:#}", session.refused(&status)));
                session.turn_away();
                tokio::time::sleep(LOOK).await;
            }
            Err(status) => return Err(session.refused(&status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(live: u32, holding: u32, missing: &[&str]) -> Reach {
        Reach::from(v1::GetReachResponse {
            live_agents: live,
            holding,
            missing: missing
                .iter()
                .map(|id| v1::AgentBehind {
                    agent_id: (*id).to_owned(),
                    service: "photos".to_owned(),
                    last_contact: 900,
                    until: 2_000,
                })
                .collect(),
        })
    }

    #[test]
    fn agents_that_are_missing_are_named() {
        let four = reach(9, 4, &["a1", "a2", "a3", "a4"]);
        assert!(!four.is_everywhere());
        assert_eq!(
            waiting(&four),
            "4 of 9 live agents refuse it; waiting for agent a1 of photos, agent a2 of photos, agent a3 of photos and 2 more"
        );
        assert_eq!(unreached(&four).last().unwrap(), "  and 1 more");
    }

    #[test]
    fn it_is_everywhere_where_nobody_is_missing() {
        for (live, sentence) in [
            (0, "no agent is alive"),
            (1, "the one live agent refuses it"),
            (3, "all 3 live agents refuse it"),
        ] {
            let all = reach(live, live, &[]);
            assert!(all.is_everywhere());
            assert_eq!(waiting(&all), sentence);
        }
    }
}
