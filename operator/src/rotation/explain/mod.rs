//! What came of a plan, in sentences.

mod cost;
mod list;
mod preview;
mod reached;
mod refused;

use super::{
    course::{Aim, Plan},
    keys::Keys,
    report::{Ended, How, Report},
    schedule::Schedule,
    step::Command,
};
use crate::{
    exit::Done,
    out::{self, Format},
};

pub(crate) use cost::lines as cost;
pub(crate) use list::list;
#[cfg(test)]
pub(super) use preview::preview_lines;
pub(crate) use preview::show_preview;

/// Says what came of a plan: on standard output where it went well and for programs, on standard error where it did not.
///
/// # Errors
/// The output cannot be written.
pub(crate) fn show(ended: &Ended, out: Format) -> anyhow::Result<Done> {
    tell(&lines(ended), &ended.report(), out)
}

/// All of it, for people: what was done, or why not.
pub(super) fn lines(ended: &Ended) -> Result<Vec<String>, Why> {
    let Ended {
        plan,
        seen,
        schedule,
        ..
    } = ended;
    match &ended.how {
        How::Reached => Ok(reached::lines(ended)),
        How::Refused(blocked) => Err(refused::why(plan, *seen, blocked, schedule)),
        How::Interrupted { in_doubt } => Err(interrupted(ended, *in_doubt)),
    }
}

fn tell(
    lines: &Result<Vec<String>, Why>,
    report: &Report<'_>,
    out: Format,
) -> anyhow::Result<Done> {
    match (lines, out) {
        (Ok(lines), Format::Human) => out.show(report, |_| lines.join("\n"))?,
        (Err(why), Format::Human) => out::failure_with(&why.why, &why.then),
        (_, Format::Json) => out.show(report, |_| String::new())?,
    }
    Ok(if lines.is_ok() {
        Done::Well
    } else {
        Done::Refused
    })
}

/// Why something is not so, and what helps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Why {
    /// In one line.
    pub(super) why: String,
    /// More lines.
    pub(super) then: Vec<String>,
}

fn interrupted(ended: &Ended, in_doubt: Option<Command>) -> Why {
    let Ended { plan, schedule, .. } = ended;
    let list = plan.keys.list();
    let why = match in_doubt {
        Some(_) => format!(
            "interrupted while a step was on its way: it has happened whole or not at all, and `{list}` tells"
        ),
        None => format!(
            "interrupted, and nothing is half done: {}",
            standing(plan, schedule)
        ),
    };
    let then = match (in_doubt, plan.aim) {
        (Some(_), _) => Vec::new(),
        (None, Aim::Replace) => vec![format!(
            "Agents hear of it all the same: `{list}` tells how many have."
        )],
        (None, _) => vec![match plan.keys {
            Keys::Cluster => format!("To go on: {}", command(plan)),
            // A prepared generation becomes active without anybody's help, and the command would begin another turn then.
            Keys::Service(_) => {
                format!("What is prepared becomes active by itself: `{list}` tells")
            }
        }],
    };
    Why { why, then }
}

/// `epoch 3 is active, epoch 4 is prepared (5 of 6 live agents hold it), epoch 2 drains`.
fn standing(plan: &Plan, schedule: &Schedule) -> String {
    let name = |number| plan.keys.named(number);
    let active = schedule
        .active()
        .map(|number| format!("{} is active", name(number)));
    let prepared = schedule.prepared().map(|number| {
        format!(
            "{} is prepared ({} of {} live agents hold it)",
            name(number),
            schedule.holding_count,
            schedule.live_agent_count
        )
    });
    let draining = schedule
        .draining()
        .map(|number| format!("{} drains", name(number)));
    let all: Vec<String> = [active, prepared, draining].into_iter().flatten().collect();
    all.join(", ")
}

/// The command of a plan, with its flags.
fn command(plan: &Plan) -> String {
    let mut command = bare_command(plan);
    for (is_set, flag) in [(plan.wait, " --wait"), (plan.force, " --force")] {
        if is_set {
            command += flag;
        }
    }
    command
}

/// The command of a plan, without flags.
fn bare_command(plan: &Plan) -> String {
    match plan.aim {
        Aim::Prepare => "cattery epoch prepare".to_owned(),
        Aim::Activate => "cattery epoch activate".to_owned(),
        Aim::Retire => "cattery epoch retire".to_owned(),
        Aim::Rotate | Aim::Replace => plan.keys.rotate(),
    }
}

/// Choices, with what each one does beside it.
fn choices(choices: &[(String, String)]) -> Vec<String> {
    let width = choices
        .iter()
        .map(|(what, _)| what.len())
        .max()
        .unwrap_or(0);
    choices
        .iter()
        .map(|(what, effect)| format!("  {what:width$}   {effect}"))
        .collect()
}
