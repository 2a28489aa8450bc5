//! What a plan waits for, second by second.

use std::io::Write;

use super::{
    agents::{counted, more},
    course::{Aim, Course},
    drive::Watch,
    schedule::Schedule,
};
use crate::{clock, out::Live};

/// Most agents that one line names.
const NAMED: usize = 3;

impl<W: Write> Watch for Live<W> {
    fn waiting(&mut self, course: &Course, now: &Schedule) {
        self.show(&waiting(course, now, false), &waiting(course, now, true));
    }

    fn lost(&mut self, why: &anyhow::Error) {
        let text = format!("asking again, since nothing is lost: {why:#}");
        self.show(&text, &text);
    }

    fn over(&mut self) {
        Self::over(self);
    }
}

/// One line. `with_times` includes what changes while nothing happens.
pub(super) fn waiting(course: &Course, now: &Schedule, with_times: bool) -> String {
    let plan = course.plan();
    let left = |at: Option<u64>| {
        let left = at.and_then(|at| at.checked_sub(now.server_time));
        left.filter(|_| with_times).map(clock::span)
    };
    let mut parts = Vec::new();
    if let (true, Some(newest)) = (plan.aim != Aim::Retire, now.newest()) {
        parts.push(format!(
            "{} of {} live agents hold {}",
            now.holding_count,
            now.live_agent_count,
            plan.keys.named(newest)
        ));
        let missing: Vec<String> = now
            .behind
            .iter()
            .take(NAMED)
            .map(|agent| match left(agent.until) {
                Some(left) => format!("{} ({left} at most)", agent.short_name()),
                None => agent.short_name(),
            })
            .collect();
        let unnamed = more(missing.len(), now.behind_count());
        if !missing.is_empty() && !plan.force {
            let unnamed = unnamed.map_or_else(String::new, |more| format!(" and {more} more"));
            parts.push(format!("waiting for {}{unnamed}", missing.join(", ")));
        } else if let Some(count) = unnamed.filter(|_| !plan.force) {
            parts.push(format!("waiting for {}", counted(count)));
        }
    }
    if let (true, Some(draining)) = (plan.aim != Aim::Replace, now.draining()) {
        let name = plan.keys.named(draining);
        parts.push(match now.retires_at {
            Some(_) if now.is_drained() => format!("{name} is being retired"),
            at => match left(at) {
                Some(left) => format!("leases of {name} are still out for {left}"),
                None => format!("leases of {name} are still out"),
            },
        });
    }
    parts.join("; ")
}
