//! What a plan would do, in sentences.

use super::{Aim, Command, Done, Format, Plan, Why, cost, refused, tell};
use crate::{
    clock,
    rotation::{
        agents::{self, counted},
        preview::Preview,
        report::{Blocked, Taken},
        schedule::Schedule,
        step::Refusal,
    },
};

const NOTHING: &str = "This was a dry run: nothing was changed.";

/// Says what a plan would do: it goes well where nothing stands against it.
///
/// # Errors
/// The output cannot be written.
pub(crate) fn show_preview(preview: &Preview, out: Format) -> anyhow::Result<Done> {
    tell(&preview_lines(preview), &preview.report(), out)
}

/// All of it, for people: what would be done, or why not.
pub(in crate::rotation) fn preview_lines(preview: &Preview) -> Result<Vec<String>, Why> {
    let Preview { plan, now, .. } = preview;
    if let Some(blocked) = &preview.refused {
        let mut why = refused::why(plan, now.active(), blocked, now);
        why.then.push(NOTHING.to_owned());
        return Err(why);
    }
    let mut lines = match plan.aim {
        Aim::Replace => cost::lines(preview),
        _ => {
            let waits = preview.waits.iter().flat_map(|wait| waits(plan, wait, now));
            let (first, then): (Vec<&Taken>, Vec<&Taken>) = preview
                .steps
                .iter()
                .partition(|taken| taken.command == Command::Prepare);
            let would = |taken| would(plan, taken, now);
            let first = first.into_iter().flat_map(would);
            let then = then.into_iter().flat_map(would);
            first.chain(waits).chain(then).collect()
        }
    };
    if preview.steps.is_empty() {
        lines.push("Nothing drains.".to_owned());
    }
    lines.push(NOTHING.to_owned());
    Ok(lines)
}

fn waits(plan: &Plan, wait: &Blocked, now: &Schedule) -> Vec<String> {
    let until = wait.until.or(now.retires_at);
    let until = until.map_or_else(String::new, |at| {
        format!(", {}", clock::both(at, now.server_time))
    });
    match wait.refusal {
        Refusal::AgentsMissing => {
            let mut lines = vec![format!(
                "It would wait for {}, each until it has the key or the time here is over:",
                counted(wait.agent_count)
            )];
            lines.extend(agents::lines(&wait.agents, wait.agent_count));
            lines
        }
        _ => vec![format!(
            "It would wait until no lease of {} is out{until}.",
            now.draining().map_or_else(
                || format!("the draining {}", plan.keys.unit()),
                |number| plan.keys.named(number)
            )
        )],
    }
}

fn would(plan: &Plan, taken: &Taken, now: &Schedule) -> Vec<String> {
    let name = plan.keys.named_first(taken.number.unwrap_or_default());
    let (line, behind) = match taken.command {
        Command::Prepare => (
            format!(
                "{name} would be prepared, and {} would get its key.",
                counted(now.live_agent_count)
            ),
            None,
        ),
        Command::Retire if taken.forced => (
            format!(
                "{name} would be retired, whatever leases of it are out: user keys from it would be dead, and SDKs fetch new \
                 ones by themselves."
            ),
            Some("Agents that could accept it until they hear of that:"),
        ),
        Command::Retire => (format!("{name} would be retired."), None),
        Command::Activate | Command::Replace => (
            format!(
                "{name} would become active{}.",
                now.active().map_or_else(String::new, |active| format!(
                    ", and {} would drain: user keys from it stay good until they end",
                    plan.keys.named(active)
                ))
            ),
            Some(
                "Agents that would be left behind, and answer 503 to tokens of it until they hear of it:",
            ),
        ),
    };
    let mut lines = vec![line];
    if let (Some(effect), 1..) = (behind, taken.left_behind_count) {
        lines.push(effect.to_owned());
        lines.extend(agents::lines(&taken.left_behind, taken.left_behind_count));
    }
    lines
}
