//! What was done, and what follows from it.

use super::Aim;
use crate::{
    clock,
    rotation::{
        agents,
        keys::Keys,
        report::{Ended, Taken},
        schedule::{Schedule, State},
        step::Command,
    },
};

/// All of it, for people.
pub(super) fn lines(ended: &Ended) -> Vec<String> {
    let Ended {
        plan,
        goal,
        schedule,
        ..
    } = ended;
    let keys = &plan.keys;
    let mut lines = Vec::new();
    let last = ended.steps.last();
    match plan.aim {
        Aim::Prepare => lines.push(prepared(keys, schedule)),
        Aim::Activate | Aim::Rotate => {
            let active = goal.or(schedule.active()).unwrap_or_default();
            let before = ended.steps.iter();
            let before = before.filter(|taken| taken.command == Command::Retire);
            lines.extend(before.flat_map(|taken| retired(keys, taken)));
            lines.push(format!("{} is active.", keys.named_first(active)));
            lines.extend(last.into_iter().flat_map(|taken| left(keys, active, taken)));
            lines.extend(drains(keys, schedule));
        }
        Aim::Retire => match (last, goal) {
            (Some(taken), _) => lines.extend(retired(keys, taken)),
            (None, Some(goal)) => lines.push(format!("{} is retired.", keys.named_first(*goal))),
            (None, None) => lines.push("Nothing drains.".to_owned()),
        },
        Aim::Replace => lines.extend(replaced(ended)),
    }
    lines
}

fn prepared(keys: &Keys, now: &Schedule) -> String {
    format!(
        "{} is prepared, and agents get its key: {} of {} live agents hold it. Next: cattery epoch activate --wait",
        keys.named_first(now.prepared().unwrap_or_default()),
        now.holding_count,
        now.live_agent_count
    )
}

fn retired(keys: &Keys, taken: &Taken) -> Vec<String> {
    let name = keys.named_first(taken.number.unwrap_or_default());
    let mut lines = vec![if taken.forced {
        format!(
            "{name} is retired, whatever leases of it were out: user keys from it are dead, and SDKs fetch new ones by \
             themselves."
        )
    } else {
        format!("{name} is retired: its key is gone, and tokens of it are refused.")
    }];
    if taken.forced && taken.left_behind_count > 0 {
        lines.push("Agents that may accept it until they hear of that:".to_owned());
        lines.extend(agents::lines(&taken.left_behind, taken.left_behind_count));
    }
    lines
}

/// Whom an activation left behind.
fn left(keys: &Keys, active: u32, taken: &Taken) -> Vec<String> {
    if taken.command != Command::Activate || taken.left_behind_count == 0 {
        return Vec::new();
    }
    let mut lines = vec![format!(
        "Left behind, and answering 503 to tokens of {} until they hear of it:",
        keys.named(active)
    )];
    lines.extend(agents::lines(&taken.left_behind, taken.left_behind_count));
    lines
}

fn drains(keys: &Keys, now: &Schedule) -> Option<String> {
    let draining = now.keys.iter().find(|key| key.state == State::Draining)?;
    let until = now.retires_at.or(draining.not_after).map_or_else(
        || "until its last lease has ended".to_owned(),
        |at| format!("until {}", clock::both(at, now.server_time)),
    );
    let wait = match keys {
        Keys::Cluster => ". To wait for that: cattery epoch retire --wait".to_owned(),
        Keys::Service(_) => format!("; `{}` shows it", keys.list()),
    };
    Some(format!(
        "{} drains {until}, and is retired by itself then{wait}",
        keys.named_first(draining.number)
    ))
}

fn replaced(ended: &Ended) -> Vec<String> {
    let (keys, now) = (&ended.plan.keys, &ended.schedule);
    let mut lines = vec![format!(
        "{} is active, and all {}s before it are retired: {}.",
        keys.named_first(now.active().unwrap_or_default()),
        keys.unit(),
        match keys {
            Keys::Cluster => "every user key and token from before is dead".to_owned(),
            Keys::Service(name) =>
                format!("every user key and token for {name} from before is dead"),
        }
    )];
    let taken = ended
        .steps
        .iter()
        .find(|taken| taken.command == Command::Replace);
    if ended.plan.wait {
        lines.push("Every live agent knows it: nobody accepts what was signed before.".to_owned());
    } else if let Some(taken) = taken.filter(|taken| taken.left_behind_count > 0) {
        lines.push(
            "Agents that may accept older keys until they hear of it, which those that are connected do within seconds:"
                .to_owned(),
        );
        lines.extend(agents::lines(&taken.left_behind, taken.left_behind_count));
        if let Keys::Cluster = keys {
            lines.push(format!("Who has heard: {}", keys.list()));
        }
    }
    lines
}
