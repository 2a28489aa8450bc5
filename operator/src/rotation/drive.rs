//! Carries a course out: asks, steps, waits.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    course::{Course, Next},
    report::{Blocked, Ended, How, Taken},
    schedule::Schedule,
    source::{Source, Trouble},
    step::{Answer, Command, Refusal, Step},
    stop::Stop,
};

/// Between two looks.
const POLL: Duration = Duration::from_secs(1);
/// How long agents are waited for that could not have had a key before, since it was made a moment ago: those that are
/// connected take it in this time, those that let applications verify by themselves included.
const FIRST_TAKE: Duration = Duration::from_secs(15);

/// Who is told while time passes.
pub(crate) trait Watch {
    /// What is waited for.
    fn waiting(&mut self, course: &Course, now: &Schedule);
    /// No authority answers, and why.
    fn lost(&mut self, why: &anyhow::Error);
    /// It is over: what follows is the result.
    fn over(&mut self);
}

/// Goes on until the aim is reached, or refused, or somebody interrupts.
///
/// # Errors
/// Whatever time does not mend; without `wait` also an authority that cannot answer.
pub(crate) async fn drive(
    source: &mut impl Source,
    course: Course,
    start: Schedule,
    watch: &mut impl Watch,
    stop: &mut Stop,
) -> anyhow::Result<Ended> {
    let mut drive = Drive {
        course,
        now: start,
        steps: Vec::new(),
        patience: None,
    };
    let how = drive.run(source, watch, stop).await;
    watch.over();
    Ok(Ended {
        how: how?,
        plan: drive.course.plan().clone(),
        goal: drive.course.goal(),
        seen: drive.course.seen(),
        steps: drive.steps,
        schedule: drive.now,
    })
}

struct Drive {
    course: Course,
    now: Schedule,
    steps: Vec<Taken>,
    /// Until when a plan that does not wait has patience.
    patience: Option<Instant>,
}

impl Drive {
    async fn run(
        &mut self,
        source: &mut impl Source,
        watch: &mut impl Watch,
        stop: &mut Stop,
    ) -> anyhow::Result<How> {
        loop {
            match self.course.next(&self.now, self.is_patient()) {
                Next::Reached => return Ok(How::Reached),
                Next::Refused(refusal) => return Ok(How::Refused(self.refused(refusal))),
                _ if stop.is_asked() => return Ok(How::Interrupted { in_doubt: None }),
                Next::Wait => watch.waiting(&self.course, &self.now),
                Next::Take(step) => match stop.unless_urged(source.step(step)).await {
                    None => {
                        let in_doubt = Some(step.command);
                        return Ok(How::Interrupted { in_doubt });
                    }
                    Some(Ok(answer)) => match self.answered(step, answer) {
                        Took::All => return Ok(How::Reached),
                        Took::One => continue,
                        Took::Nothing(None) => watch.waiting(&self.course, &self.now),
                        Took::Nothing(Some(blocked)) => return Ok(How::Refused(blocked)),
                    },
                    Some(Err(Trouble::Away(why))) if self.is_patient() => watch.lost(&why),
                    Some(Err(Trouble::Away(why))) => return Err(self.unknown(why)),
                    Some(Err(Trouble::Refused(why))) => return Err(why),
                },
            }
            if !self.look(source, watch, stop).await? {
                return Ok(How::Interrupted { in_doubt: None });
            }
        }
    }

    /// Waits a moment, and looks until somebody tells how things are. Whether nobody interrupted.
    async fn look(
        &mut self,
        source: &mut impl Source,
        watch: &mut impl Watch,
        stop: &mut Stop,
    ) -> anyhow::Result<bool> {
        loop {
            if stop.within(POLL).await {
                return Ok(false);
            }
            match stop.unless_asked(source.schedule()).await {
                None => return Ok(false),
                Some(Ok(now)) => {
                    self.course.see(&now);
                    self.now = now;
                    return Ok(true);
                }
                Some(Err(Trouble::Away(why))) if self.is_patient() => watch.lost(&why),
                Some(Err(trouble)) => return Err(trouble.into()),
            }
        }
    }

    fn is_patient(&self) -> bool {
        self.course.plan().wait || self.patience.is_some_and(|until| Instant::now() < until)
    }

    fn answered(&mut self, step: Step, answer: Answer) -> Took {
        let before = std::mem::replace(&mut self.now, answer.schedule);
        self.course.see(&self.now);
        let Some(refusal) = answer.refusal else {
            self.steps.push(Taken {
                command: step.command,
                number: match step.command {
                    Command::Prepare => self.now.prepared(),
                    Command::Activate | Command::Replace => self.now.active(),
                    Command::Retire => before.draining(),
                },
                forced: step.force,
                left_behind: answer.agents,
                left_behind_count: answer.agent_count,
                leeway_seconds: answer.leeway_seconds,
            });
            if self.course.took(step.command) {
                return Took::All;
            }
            if step.command == Command::Prepare {
                self.patience = Some(Instant::now() + FIRST_TAKE);
            }
            return Took::One;
        };
        // Somebody else was faster, or an answer was lost: all that counts is how things are.
        if self.course.next(&self.now, true) == Next::Reached {
            return Took::All;
        }
        let passes = refusal.passes() && self.course.plan().wait
            || refusal == Refusal::AgentsMissing && self.is_patient()
            || self.course.is_overtaken(step.command, refusal);
        Took::Nothing((!passes).then_some(Blocked {
            refusal,
            agents: answer.agents,
            agent_count: answer.agent_count,
            until: answer.until,
        }))
    }

    /// What the authority would answer.
    fn refused(&self, refusal: Refusal) -> Blocked {
        Blocked {
            refusal,
            agents: Vec::new(),
            agent_count: 0,
            until: self
                .now
                .retires_at
                .filter(|_| refusal == Refusal::StillDraining),
        }
    }

    fn unknown(&self, why: anyhow::Error) -> anyhow::Error {
        let list = self.course.plan().keys.list();
        why.context(format!(
            "whether that happened is not known, and `{list}` tells"
        ))
    }
}

/// What came of a step.
enum Took {
    /// All that was wanted.
    All,
    /// That step.
    One,
    /// Nothing: for good where there is a reason.
    Nothing(Option<Blocked>),
}
