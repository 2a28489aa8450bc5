//! The rules: what each command needs, and what becomes of the line.

use super::command::{Action, Command, LeftBehind, Step};
use super::facts::{AgentView, Facts, behind, live};
use super::guard::Guard;
use super::invariant;
use super::line::{Active, Draining, Line, Parts, Prepared};
use super::refused::Refused;
use super::timing::Timing;

impl Line {
    /// Decides one step. It holds only if the store takes it while this line is the stored one and the session lives that `now` was
    /// read in.
    ///
    /// # Errors
    /// [`Refused`], with what to do about it.
    pub fn step(
        &self,
        command: Command,
        facts: &Facts<'_>,
        timing: &Timing,
    ) -> Result<Step, Refused> {
        self.step_without(command, facts, timing, None)
    }

    #[doc(hidden)]
    pub fn step_without(
        &self,
        command: Command,
        facts: &Facts<'_>,
        timing: &Timing,
        removed: Option<Guard>,
    ) -> Result<Step, Refused> {
        let rules = Rules {
            line: self.parts(),
            facts,
            timing,
            removed,
        };
        let (parts, actions, left_behind) = match command {
            Command::Prepare => rules.prepare(),
            Command::Activate { force } => rules.activate(force),
            Command::Retire { force } => rules.retire(force),
            Command::Replace => rules.replace(),
        }?;
        invariant::check_next(&self.parts(), &parts)?;
        let line = Self::from_parts(parts)?;
        Ok(Step {
            line,
            actions,
            left_behind,
        })
    }
}

impl Draining {
    /// From when it can be retired without force, in Unix seconds.
    pub fn can_retire_at(&self, timing: &Timing) -> u64 {
        self.can_retire_at_without(timing, None)
    }

    fn can_retire_at_without(&self, timing: &Timing, removed: Option<Guard>) -> u64 {
        if Guard::Forgiveness.stays(removed) {
            self.not_after.saturating_add(timing.leeway)
        } else {
            self.not_after
        }
    }
}

type Outcome = Result<(Parts, Vec<Action>, Vec<LeftBehind>), Refused>;

struct Rules<'a> {
    line: Parts,
    facts: &'a Facts<'a>,
    timing: &'a Timing,
    removed: Option<Guard>,
}

impl Rules<'_> {
    fn prepare(&self) -> Outcome {
        if let Some(Prepared { number, .. }) = self.line.prepared
            && self.keeps(Guard::NothingPrepared)
        {
            return Err(Refused::AlreadyPrepared { number });
        }
        let number = self.fresh()?;
        let prepared = Prepared {
            number,
            since: self.facts.now,
            position: self.facts.position,
        };
        let line = Parts {
            last: number,
            prepared: Some(prepared),
            ..self.line
        };
        Ok((line, vec![Action::MakeKey(number)], Vec::new()))
    }

    fn activate(&self, force: bool) -> Outcome {
        let prepared = self.line.prepared.ok_or(Refused::NothingPrepared)?;
        if let Some(draining) = self.line.draining
            && self.keeps(Guard::NothingDraining)
        {
            let Draining { number, .. } = draining;
            return Err(Refused::StillDraining {
                number,
                until: self.can_retire_at(draining),
            });
        }
        let missing = behind(self.facts.agents, prepared.position, self.facts.now);
        if !missing.is_empty() && !force && self.keeps(Guard::AgentsAcknowledged) {
            return Err(Refused::AgentsMissing(missing));
        }
        let overlap = self.timing.overlap_without(self.removed);
        let line = Parts {
            last: self.line.last,
            prepared: None,
            active: Active {
                number: prepared.number,
                since: self.facts.now,
            },
            draining: Some(Draining {
                number: self.line.active.number,
                since: self.facts.now,
                not_after: self.facts.leases_end.saturating_add(overlap),
            }),
        };
        Ok((line, Vec::new(), missing))
    }

    fn retire(&self, force: bool) -> Outcome {
        let draining = self.line.draining.ok_or(Refused::NothingDraining)?;
        let Draining { number, .. } = draining;
        let until = self.can_retire_at(draining);
        let early = self.facts.now < until;
        if early && !force && self.keeps(Guard::LeasesOver) {
            return Err(Refused::LeasesOut { number, until });
        }
        let left_behind = if early { self.all_live() } else { Vec::new() };
        let line = Parts {
            draining: None,
            ..self.line
        };
        Ok((line, vec![Action::DestroyKey(number)], left_behind))
    }

    fn replace(&self) -> Outcome {
        let number = self.fresh()?;
        let actions = self
            .line
            .live()
            .map(Action::DestroyKey)
            .chain([Action::MakeKey(number)])
            .collect();
        let line = Line::first(number, self.facts.now).parts();
        Ok((line, actions, self.all_live()))
    }

    fn fresh(&self) -> Result<u32, Refused> {
        self.line.last.checked_add(1).ok_or(Refused::Exhausted)
    }

    fn all_live(&self) -> Vec<LeftBehind> {
        live(self.facts.agents, self.facts.now)
            .map(AgentView::left_behind)
            .collect()
    }

    fn can_retire_at(&self, draining: Draining) -> u64 {
        draining.can_retire_at_without(self.timing, self.removed)
    }

    fn keeps(&self, guard: Guard) -> bool {
        guard.stays(self.removed)
    }
}
