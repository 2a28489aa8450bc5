//! What a plan would do, and what stands against it. Changes nothing.

use super::{
    course::{Aim, Plan},
    report::{Blocked, Taken},
    schedule::Schedule,
    source::Source,
    step::{Answer, Command, Refusal, Step},
};

/// What a plan would do.
pub(crate) struct Preview {
    pub(crate) plan: Plan,
    /// How things are.
    pub(crate) now: Schedule,
    /// What would be done, in order.
    pub(crate) steps: Vec<Taken>,
    /// What would be waited for.
    pub(crate) waits: Vec<Blocked>,
    /// What stands against it.
    pub(crate) refused: Option<Blocked>,
}

/// Finds out, with the authority's help, what `plan` would do.
///
/// # Errors
/// No authority answers.
pub(crate) async fn preview(
    source: &mut impl Source,
    plan: Plan,
    now: Schedule,
) -> anyhow::Result<Preview> {
    let command = match plan.aim {
        Aim::Prepare => Command::Prepare,
        Aim::Activate => Command::Activate,
        Aim::Retire => Command::Retire,
        Aim::Replace => Command::Replace,
        Aim::Rotate => return rotation(source, plan, now).await,
    };
    let mut preview = Preview::new(plan, now);
    let Plan { wait, force, .. } = preview.plan;
    if wait && command == Command::Retire && preview.now.draining().is_none() {
        return Ok(preview);
    }
    preview.ask(source, command, force).await?;
    preview.then(command, force);
    Ok(preview)
}

/// Several steps, of which the authority can tell only the first: for the others, how things are now has to do.
async fn rotation(source: &mut impl Source, plan: Plan, now: Schedule) -> anyhow::Result<Preview> {
    let Plan { wait, force, .. } = plan;
    let mut preview = Preview::new(plan, now);
    let mut new = preview.now.prepared();
    if new.is_none() && (wait || force || preview.now.draining().is_none()) {
        new = match preview.ask(source, Command::Prepare, false).await? {
            Some(would_be) => would_be.prepared(),
            None => return Ok(preview),
        };
    } else if preview.now.draining().is_none() && new.is_some() {
        preview.ask(source, Command::Activate, force).await?;
        preview.then(Command::Activate, force);
        return Ok(preview);
    }
    if preview.now.draining().is_some() {
        if force && !wait {
            if preview.ask(source, Command::Retire, true).await?.is_none() {
                return Ok(preview);
            }
        } else {
            let until = preview.now.retires_at;
            preview.blocked(Blocked {
                refusal: Refusal::StillDraining,
                agents: Vec::new(),
                agent_count: 0,
                until,
            });
        }
    }
    let (agents, agent_count) = (preview.now.behind.clone(), preview.now.behind_count());
    if agent_count > 0 && !force {
        preview.blocked(Blocked {
            refusal: Refusal::AgentsMissing,
            agents,
            agent_count,
            until: None,
        });
        preview.then(Command::Activate, force);
    } else if preview.refused.is_none() {
        preview.steps.push(Taken {
            command: Command::Activate,
            number: new,
            forced: force,
            left_behind: agents,
            left_behind_count: agent_count,
            leeway_seconds: 0,
        });
    }
    Ok(preview)
}

impl Preview {
    fn new(plan: Plan, now: Schedule) -> Self {
        Self {
            plan,
            now,
            steps: Vec::new(),
            waits: Vec::new(),
            refused: None,
        }
    }

    /// Notes what a step would do: how things would be then, unless it is refused.
    async fn ask(
        &mut self,
        source: &mut impl Source,
        command: Command,
        force: bool,
    ) -> anyhow::Result<Option<Schedule>> {
        let step = Step {
            command,
            force,
            dry_run: true,
            expect_active: self.now.active(),
        };
        let answer = source.step(step).await?;
        let Answer {
            agents,
            agent_count,
            ..
        } = answer;
        if let Some(refusal) = answer.refusal {
            self.blocked(Blocked {
                refusal,
                agents,
                agent_count,
                until: answer.until,
            });
            return Ok(None);
        }
        self.steps.push(Taken {
            command,
            number: match command {
                Command::Prepare => answer.schedule.prepared(),
                Command::Activate | Command::Replace => answer.schedule.active(),
                Command::Retire => self.now.draining(),
            },
            forced: force,
            left_behind: agents,
            left_behind_count: agent_count,
            leeway_seconds: answer.leeway_seconds,
        });
        Ok(Some(answer.schedule))
    }

    /// What follows once all that is waited for has passed.
    fn then(&mut self, command: Command, forced: bool) {
        if self.refused.is_some() || self.waits.is_empty() {
            return;
        }
        let newest = self.steps.last().and_then(|taken| taken.number);
        self.steps.push(Taken {
            command,
            number: match command {
                Command::Retire => self.now.draining(),
                _ => self.now.prepared().or(newest),
            },
            forced,
            left_behind: Vec::new(),
            left_behind_count: 0,
            leeway_seconds: 0,
        });
    }

    /// The first one that does not pass, or is not waited for, stands against it.
    fn blocked(&mut self, blocked: Blocked) {
        if blocked.refusal.passes() && self.plan.wait {
            self.waits.push(blocked);
        } else if self.refused.is_none() {
            self.refused = Some(blocked);
        }
    }
}
