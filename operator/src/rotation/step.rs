//! One step in the life of keys: what an authority is asked for, and what it answers.

use anyhow::bail;
use cattery_proto::v1::{self, KeyCommand, StepRefusal};
use serde::Serialize;

use super::{agents::Behind, keys::Keys, schedule::Schedule};
use crate::clock;

/// Which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    Prepare,
    Activate,
    Retire,
    Replace,
}

/// A step that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) command: Command,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
    /// The active key that this rests on.
    pub(crate) expect_active: Option<u32>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Why it did not happen, or would not.
    pub(crate) refusal: Option<Refusal>,
    /// Agents that it leaves behind, or waits for; a hundred of them at most.
    pub(crate) agents: Vec<Behind>,
    /// How many that are.
    pub(crate) agent_count: u32,
    /// When it can happen, Unix seconds.
    pub(crate) until: Option<u64>,
    /// How things are after it.
    pub(crate) schedule: Schedule,
    /// How far clocks may be apart, seconds.
    pub(crate) leeway_seconds: u64,
}

/// Why a step did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    AlreadyPrepared,
    NothingPrepared,
    StillDraining,
    AgentsMissing,
    NothingDraining,
    LeasesOut,
    Changed,
    Exhausted,
    /// One that an authority newer than this program knows.
    Unknown,
}

impl Refusal {
    /// Whether it ends by itself.
    pub(crate) fn passes(self) -> bool {
        matches!(
            self,
            Self::StillDraining | Self::AgentsMissing | Self::LeasesOut
        )
    }

    fn of(refusal: i32) -> Option<Self> {
        Some(match StepRefusal::try_from(refusal) {
            Ok(StepRefusal::Unspecified) => return None,
            Ok(StepRefusal::AlreadyPrepared) => Self::AlreadyPrepared,
            Ok(StepRefusal::NothingPrepared) => Self::NothingPrepared,
            Ok(StepRefusal::StillDraining) => Self::StillDraining,
            Ok(StepRefusal::AgentsMissing) => Self::AgentsMissing,
            Ok(StepRefusal::NothingDraining) => Self::NothingDraining,
            Ok(StepRefusal::LeasesOut) => Self::LeasesOut,
            Ok(StepRefusal::Changed) => Self::Changed,
            Ok(StepRefusal::Exhausted) => Self::Exhausted,
            Err(_) => Self::Unknown,
        })
    }
}

impl Step {
    /// The request for `keys`.
    pub(crate) fn request(self, keys: &Keys) -> v1::ChangeKeyScheduleRequest {
        let command = match self.command {
            Command::Prepare => KeyCommand::Prepare,
            Command::Activate => KeyCommand::Activate,
            Command::Retire => KeyCommand::Retire,
            Command::Replace => KeyCommand::Replace,
        };
        v1::ChangeKeyScheduleRequest {
            service: keys.service(),
            command: command.into(),
            force: self.force,
            dry_run: self.dry_run,
            expect_active: self.expect_active,
        }
    }

    /// Reads the answer. One that says neither that it happened nor why not is refused: what came of it is not known.
    pub(crate) fn answer(self, answer: v1::ChangeKeyScheduleResponse) -> anyhow::Result<Answer> {
        let refusal = Refusal::of(answer.refusal);
        let expected = refusal.is_none() && !self.dry_run;
        let Some(schedule) = answer.schedule.filter(|_| answer.done == expected) else {
            bail!("the authority's answer does not say what came of it: is it another version?");
        };
        Ok(Answer {
            refusal,
            agents: answer.agents.into_iter().map(Behind::from).collect(),
            agent_count: answer.agent_count,
            until: clock::some(answer.until),
            schedule: schedule.into(),
            leeway_seconds: answer.leeway_seconds,
        })
    }
}
