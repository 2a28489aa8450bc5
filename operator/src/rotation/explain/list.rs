//! A schedule as people read it: a table, and what it means.

use crate::{
    clock,
    out::table,
    rotation::{
        agents::{Behind, counted, more},
        keys::Keys,
        schedule::Schedule,
    },
};

/// Most agents that one line names.
const NAMED: usize = 5;

/// The table, and below it one line about agents, and what happens by itself.
pub(crate) fn list(keys: &Keys, schedule: &Schedule) -> String {
    let header = [
        keys.unit(),
        "state",
        "created",
        "activated",
        "ends",
        "retired",
    ];
    let rows = schedule.keys.iter().map(|key| {
        [
            key.number.to_string(),
            key.state.name().to_owned(),
            clock::cell(key.created_at),
            clock::cell(key.activated_at),
            clock::cell(key.not_after),
            clock::cell(key.retired_at),
        ]
    });
    let mut text = table(header, rows);
    text += "\n\n";
    let told = [
        Some(holders(keys, schedule)),
        retirement(keys, schedule),
        next(schedule),
    ];
    for line in told.into_iter().flatten() {
        text += &format!("{line}\n");
    }
    text
}

fn holders(keys: &Keys, schedule: &Schedule) -> String {
    let Some(newest) = schedule.newest() else {
        return format!("No {} is active.", keys.unit());
    };
    match schedule.live_agent_count {
        0 => return "No agent is alive.".to_owned(),
        // Who holds the active key, an authority knows only of those who hold what was prepared after it.
        live if schedule.prepared().is_none() && schedule.behind.is_empty() => {
            return format!(
                "{} alive.",
                counted(live) + if live == 1 { " is" } else { " are" }
            );
        }
        _ => {}
    }
    let held = format!(
        "{} of {} live agents hold {}",
        schedule.holding_count,
        schedule.live_agent_count,
        keys.named(newest)
    );
    let missing: Vec<String> = schedule
        .behind
        .iter()
        .take(NAMED)
        .map(|agent: &Behind| format!("{} ({})", agent.name(), agent.times()))
        .collect();
    if missing.is_empty() {
        return held;
    }
    let unnamed = more(missing.len(), schedule.behind_count());
    let unnamed = unnamed.map_or_else(String::new, |more| format!(", and {more} more"));
    format!("{held}; missing: {}{unnamed}", missing.join(", "))
}

fn retirement(keys: &Keys, schedule: &Schedule) -> Option<String> {
    let (draining, at) = (schedule.draining()?, schedule.retires_at?);
    Some(format!(
        "{} drains, and is retired by itself at {}",
        keys.named_first(draining),
        clock::both(at, schedule.server_time)
    ))
}

fn next(schedule: &Schedule) -> Option<String> {
    let at = clock::both(schedule.rotates_at?, schedule.server_time);
    Some(if schedule.overdue {
        format!("THE AUTOMATIC ROTATION IS OVERDUE: it was due {at}; see `cattery status`")
    } else {
        format!("The next rotation is due {at}")
    })
}
