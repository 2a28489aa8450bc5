//! What came of a plan, as programs read it.

use serde::Serialize;

use super::{
    agents::Behind,
    course::{Aim, Plan},
    preview::Preview,
    schedule::Schedule,
    step::{Command, Refusal},
};

/// What came of a plan.
pub(crate) struct Ended {
    pub(crate) how: How,
    pub(crate) plan: Plan,
    /// The key that it was about.
    pub(crate) goal: Option<u32>,
    /// The key that was active at the start.
    pub(crate) seen: Option<u32>,
    /// What was done for it, in order.
    pub(crate) steps: Vec<Taken>,
    /// How things are now.
    pub(crate) schedule: Schedule,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Things are as wanted.
    Reached,
    /// An authority said no.
    Refused(Blocked),
    /// Somebody had enough. A step whose answer did not come has happened whole or not at all.
    Interrupted { in_doubt: Option<Command> },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    pub(crate) refusal: Refusal,
    /// Agents that are waited for; a hundred of them at most.
    pub(crate) agents: Vec<Behind>,
    pub(crate) agent_count: u32,
    /// When it can happen, Unix seconds.
    pub(crate) until: Option<u64>,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Taken {
    pub(crate) command: Command,
    /// The key that was prepared, activated or retired.
    pub(crate) number: Option<u32>,
    /// Whether it was told to go ahead against what stands in the way.
    pub(crate) forced: bool,
    /// Agents that go on with what they have until they hear of it; a hundred of them at most.
    pub(crate) left_behind: Vec<Behind>,
    pub(crate) left_behind_count: u32,
    /// How far their clocks may be off, seconds.
    pub(crate) leeway_seconds: u64,
}

/// The same as JSON.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    command: &'static str,
    /// Whether things are as wanted.
    done: bool,
    /// In a dry run, whether they would be; none otherwise.
    possible: Option<bool>,
    dry_run: bool,
    /// Why not.
    refusal: Option<Refusal>,
    interrupted: bool,
    /// When it can happen.
    until: Option<u64>,
    /// Agents that it waits for.
    waits_for: &'a [Behind],
    waits_for_count: u32,
    steps: &'a [Taken],
    schedule: &'a Schedule,
}

impl Ended {
    /// For programs.
    pub(crate) fn report(&self) -> Report<'_> {
        let blocked = match &self.how {
            How::Refused(blocked) => Some(blocked),
            How::Reached | How::Interrupted { .. } => None,
        };
        Report {
            command: self.plan.aim.name(),
            done: self.how == How::Reached,
            possible: None,
            dry_run: false,
            refusal: blocked.map(|blocked| blocked.refusal),
            interrupted: matches!(self.how, How::Interrupted { .. }),
            until: blocked.and_then(|blocked| blocked.until),
            waits_for: blocked.map_or(&[], |blocked| &blocked.agents),
            waits_for_count: blocked.map_or(0, |blocked| blocked.agent_count),
            steps: &self.steps,
            schedule: &self.schedule,
        }
    }
}

impl Preview {
    /// For programs. What is waited for first stands where a refusal would.
    pub(crate) fn report(&self) -> Report<'_> {
        let blocked = self.refused.as_ref().or(self.waits.first());
        Report {
            command: self.plan.aim.name(),
            done: false,
            possible: Some(self.refused.is_none()),
            dry_run: true,
            refusal: self.refused.as_ref().map(|blocked| blocked.refusal),
            interrupted: false,
            until: blocked.and_then(|blocked| blocked.until),
            waits_for: blocked.map_or(&[], |blocked| &blocked.agents),
            waits_for_count: blocked.map_or(0, |blocked| blocked.agent_count),
            steps: &self.steps,
            schedule: &self.now,
        }
    }
}

impl Aim {
    /// As programs read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Activate => "activate",
            Self::Retire => "retire",
            Self::Rotate => "rotate",
            Self::Replace => "replace",
        }
    }
}
