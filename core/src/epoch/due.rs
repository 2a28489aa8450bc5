//! What automatic rotation does next.

use super::command::Command;
use super::line::Line;
use super::timing::Timing;

impl Line {
    /// What automatic rotation should try at `now` (Unix seconds): retire what has drained, prepare what comes next, or, with
    /// a `period` (seconds) that is over, activate it. A refusal to activate (agents are missing) is no failure: try again.
    pub fn due(&self, now: u64, period: Option<u64>, timing: &Timing) -> Option<Command> {
        if let Some(draining) = self.draining()
            && draining.can_retire_at(timing) <= now
        {
            return Some(Command::Retire { force: false });
        }
        if self.prepared().is_none() && self.last() < u32::MAX {
            return Some(Command::Prepare);
        }
        let over = period.is_some_and(|period| self.rotation_due_at(period) <= now);
        (over && self.prepared().is_some() && self.draining().is_none())
            .then_some(Command::Activate { force: false })
    }

    /// When the active number is over if it lasts `period` seconds, in Unix seconds: for the watchdog, which complains when this
    /// is long past.
    pub fn rotation_due_at(&self, period: u64) -> u64 {
        self.active().since.saturating_add(period)
    }
}
