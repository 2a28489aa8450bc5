//! What may be forgotten: two states that differ in nothing that can matter any more are made one.

use cattery_core::epoch::{Guard, may_issue_without};

use crate::scope::Scope;
use crate::state::{Agent, Answer, NOW, Pending, Record, State};
use crate::stored::{Place, Stored, small};

impl<const AGENTS: usize> State<AGENTS> {
    /// Issues what may be issued, and forgets what is over.
    pub(crate) fn settle(&mut self, scope: &Scope) {
        self.issue(scope);
        self.forget_leases(scope);
        for authority in 0..self.authorities.len() {
            self.forget_decisions(scope, authority);
            self.forget_view(scope, authority);
        }
        let offsets = self.authorities.iter().map(|it| it.offset);
        let fastest = NOW + offsets.max().unwrap_or(0);
        let views = self.authorities.iter().map(|it| it.view.place.0);
        let restored = views.min() == Some(self.store.place.0);
        for agent in &mut self.agents {
            agent.forget(scope, fastest, restored);
        }
        self.sort();
    }

    /// Every authority issues the greatest lease whenever it may: more leases make nothing safer, and change nothing else.
    fn issue(&mut self, scope: &Scope) {
        let Some(lease) = scope.lease else { return };
        for authority in &self.authorities {
            let ago = authority.clock() - authority.view.confirmed;
            let line = authority.view.line.line();
            if let Ok(issue) = may_issue_without(&line, ago.into(), &scope.timing, scope.removed) {
                let end = &mut self.history.leases[issue.number as usize];
                *end = (authority.clock() + lease).max(*end);
            }
        }
    }

    fn forget_leases(&mut self, scope: &Scope) {
        let burnt = self.history.burnt;
        for (number, end) in (0..).zip(&mut self.history.leases) {
            if *end + scope.leeway() <= NOW || burnt.has(number) {
                *end = 0;
            }
        }
        self.store.line.forget(scope);
    }

    fn forget_decisions(&mut self, scope: &Scope, index: usize) {
        let pending = self.authorities[index].pending.as_ref();
        let doomed = pending.is_some_and(|pending| self.is_doomed(scope, index, pending));
        // A restored line's revision can be one that was there before.
        let for_ever = !scope.restore || scope.has(Guard::RestsOnSession);
        let pending = &mut self.authorities[index].pending;
        if doomed && for_ever {
            *pending = scope.lease.map(|_| Pending::Doomed);
        }
        match pending {
            Some(Pending::Step(step)) => {
                step.line.forget(scope);
                if scope.lease.is_none() {
                    step.at = 0;
                }
            }
            Some(Pending::Contact(contact)) => {
                contact.read.forget(scope);
                contact.write.forget(scope);
                contact.answer.iter_mut().for_each(|it| it.forget(scope));
            }
            Some(Pending::Doomed) | None => {}
        }
    }

    fn forget_view(&mut self, scope: &Scope, index: usize) {
        let authority = &mut self.authorities[index];
        let oldest = authority.clock() - small(scope.timing.confirmed) - 1;
        let view = &mut authority.view;
        view.confirmed = scope.lease.map_or(0, |_| view.confirmed.max(oldest));
        view.line.forget(scope);
        if view.place != self.store.place && scope.has(Guard::StepRestsOnLine) {
            view.line.not_after().into_iter().for_each(|it| *it = 0); // no step from here is stored
        }
        for record in &mut view.records {
            if scope.cached {
                record.forget(scope);
            } else {
                *record = Record::default();
            }
        }
        for record in authority.listed.iter_mut().flatten() {
            record.forget(scope);
        }
    }

    /// Authorities are alike, and agents are: their order is nobody's.
    fn sort(&mut self) {
        for agent in &mut self.agents {
            agent.mail.sort_unstable_by(|one, other| other.cmp(one));
        }
        if AGENTS == 2 && self.agents[0] > self.agents[1] {
            self.agents.swap(0, 1);
            for authority in &mut self.authorities {
                authority.view.records.swap(0, 1);
                authority.listed.iter_mut().for_each(|it| it.swap(0, 1));
                match &mut authority.pending {
                    Some(Pending::Step(step)) => step.left.swap(0, 1),
                    Some(Pending::Contact(contact)) => contact.agent = 1 - contact.agent,
                    Some(Pending::Doomed) | None => {}
                }
            }
        }
        if self.authorities[0] > self.authorities[1] {
            self.authorities.swap(0, 1);
        }
    }
}

impl Stored {
    /// From some time on, everyone may retire what drains, and every lease that passes ends later.
    fn forget(&mut self, scope: &Scope) {
        let oldest = NOW - scope.leeway();
        let not_after = self.not_after().into_iter();
        not_after.for_each(|it| *it = oldest.max(*it));
    }
}

impl Record {
    fn forget(&mut self, scope: &Scope) {
        let life = scope.budget + scope.granularity + scope.leeway();
        self.contact = self.contact.filter(|contact| contact + life >= NOW);
        if self.contact.is_none() {
            self.answered = Place::default();
        }
    }
}

impl Answer {
    fn forget(&mut self, scope: &Scope) {
        if scope.has(Guard::BudgetFromAsking) {
            self.asked = self.asked.filter(|asked| asked + scope.budget >= NOW);
        }
    }
}

impl Agent {
    fn forget(&mut self, scope: &Scope, fastest: u8, restored: bool) {
        self.renewed = self.renewed.filter(|asked| asked + scope.budget >= NOW);
        self.mail = self.mail.map(|answer| self.heeded(scope, answer?));
        self.record.forget(scope);
        self.before.forget(scope);
        if restored {
            self.before = Record::default();
        }
        let held = self.held.map(|(_, live)| live).unwrap_or_default();
        let holds = |number: u8| held.has(number);
        self.left = self
            .left
            .filter(|(number, until)| *until >= fastest && !holds(*number));
    }

    /// Keys below the mark are not taken, and what renews nothing is not heard.
    fn heeded(&self, scope: &Scope, mut answer: Answer) -> Option<Answer> {
        answer.forget(scope);
        if !self.takes(scope, answer.place) {
            answer.keys = None;
        }
        let renews = answer.asked > self.renewed || !scope.has(Guard::BudgetFromAsking);
        (answer.keys.is_some() || renews).then_some(answer)
    }
}
