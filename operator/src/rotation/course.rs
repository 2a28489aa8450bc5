//! What to do next. Pure: it sees a schedule and decides.

use super::{
    keys::Keys,
    schedule::Schedule,
    step::{Command, Refusal, Step},
};

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Whose keys.
    pub(crate) keys: Keys,
    /// What for.
    pub(crate) aim: Aim,
    /// Whether to wait for what ends by itself.
    pub(crate) wait: bool,
    /// Whether to go ahead against what stands in the way. With `wait`, only agents do: leases end.
    pub(crate) force: bool,
}

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// There is a prepared key.
    Prepare,
    /// The prepared key is active.
    Activate,
    /// The draining key is retired.
    Retire,
    /// A new key is active: prepared now, unless there is one.
    Rotate,
    /// A fresh key is active, and all others are retired.
    Replace,
}

/// Where a plan is.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    plan: Plan,
    /// The active key at the start.
    seen: Option<u32>,
    /// The key that the aim is about, once that is known.
    goal: Option<u32>,
    /// Whether the keys were replaced already.
    replaced: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A step, which may be refused.
    Take(Step),
    /// Time.
    Wait,
    /// Nothing: things are as wanted.
    Reached,
    /// Nothing: it would be refused.
    Refused(Refusal),
}

impl Course {
    /// From how things are at the start.
    pub(crate) fn new(plan: Plan, start: &Schedule) -> Self {
        let goal = match plan.aim {
            Aim::Prepare => None,
            Aim::Activate | Aim::Rotate => start.prepared(),
            Aim::Retire => start.draining(),
            Aim::Replace => start.active(),
        };
        Self {
            plan,
            seen: start.active(),
            goal,
            replaced: false,
        }
    }

    /// The plan.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The key that the aim is about: to be activated, to be retired.
    pub(crate) fn goal(&self) -> Option<u32> {
        self.goal
    }

    /// The key that was active at the start.
    pub(crate) fn seen(&self) -> Option<u32> {
        self.seen
    }

    /// Notes how things are.
    pub(crate) fn see(&mut self, now: &Schedule) {
        if self.plan.aim == Aim::Rotate && self.goal.is_none() && now.active() == self.seen {
            self.goal = now.prepared();
        }
    }

    /// Notes that a step was taken. Whether that is all that was wanted.
    pub(crate) fn took(&mut self, command: Command) -> bool {
        match (self.plan.aim, command) {
            (_, Command::Replace) => {
                self.replaced = true;
                !self.plan.wait
            }
            (_, Command::Activate)
            | (Aim::Prepare, Command::Prepare)
            | (Aim::Retire, Command::Retire) => true,
            _ => false,
        }
    }

    /// Whether a refusal says no more than that somebody else took the same step on the way.
    pub(crate) fn is_overtaken(&self, command: Command, refusal: Refusal) -> bool {
        matches!(
            (self.plan.aim, command, refusal),
            (
                Aim::Rotate | Aim::Replace,
                Command::Prepare,
                Refusal::AlreadyPrepared
            ) | (
                Aim::Activate | Aim::Rotate,
                Command::Retire,
                Refusal::NothingDraining
            )
        )
    }

    /// What to do where things are as `now` says. `patient` is whether time may pass.
    pub(crate) fn next(&self, now: &Schedule, patient: bool) -> Next {
        match self.plan.aim {
            Aim::Prepare => self.take(Command::Prepare, false),
            Aim::Retire => self.retire(now),
            Aim::Replace => self.replace(now),
            Aim::Activate | Aim::Rotate => self.activate(now, patient),
        }
    }

    fn activate(&self, now: &Schedule, patient: bool) -> Next {
        let Plan {
            aim, wait, force, ..
        } = self.plan;
        if self.goal.is_some() && now.active() == self.goal {
            return Next::Reached;
        }
        if now.active() != self.seen {
            return Next::Refused(Refusal::Changed);
        }
        if now.prepared().is_none() {
            return match aim {
                // A key that cannot be used for a long time is none to make.
                Aim::Rotate if now.draining().is_some() && !wait && !force => {
                    Next::Refused(Refusal::StillDraining)
                }
                Aim::Rotate => self.take(Command::Prepare, false),
                _ => self.take(Command::Activate, force),
            };
        }
        if now.draining().is_some() {
            return match (wait, aim) {
                (true, _) if now.is_drained() => self.take(Command::Retire, false),
                (true, _) => Next::Wait,
                (false, Aim::Rotate) if force => self.take(Command::Retire, true),
                // The authority says no, and why.
                (false, _) => self.take(Command::Activate, force),
            };
        }
        if now.behind_count() > 0 && patient && !force {
            return Next::Wait;
        }
        self.take(Command::Activate, force)
    }

    fn retire(&self, now: &Schedule) -> Next {
        let Plan { wait, force, .. } = self.plan;
        match (self.goal, now.draining()) {
            (None, None) if !wait => self.take(Command::Retire, force),
            (goal, draining) if goal != draining || goal.is_none() => Next::Reached,
            _ if wait && !now.is_drained() => Next::Wait,
            _ => self.take(Command::Retire, force),
        }
    }

    fn replace(&self, now: &Schedule) -> Next {
        let is_over = self.goal.is_some_and(|goal| now.is_retired(goal));
        match self.replaced || is_over {
            false => self.take(Command::Replace, false),
            true if !self.plan.wait => Next::Reached,
            // Whoever holds a key that was made after the others ended has heard of their end. Of the active one alone, an
            // authority does not know who holds it.
            true if now.prepared().is_none() => Next::Take(Step {
                expect_active: now.active(),
                ..self.step(Command::Prepare, false)
            }),
            true if now.behind_count() > 0 => Next::Wait,
            true => Next::Reached,
        }
    }

    fn take(&self, command: Command, force: bool) -> Next {
        Next::Take(self.step(command, force))
    }

    fn step(&self, command: Command, force: bool) -> Step {
        Step {
            command,
            force,
            dry_run: false,
            expect_active: self.seen,
        }
    }
}
