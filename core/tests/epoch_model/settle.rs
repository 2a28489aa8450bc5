//! Time, and what it lets us forget: two states that differ in nothing that can matter any more are made one.

use cattery_core::epoch::{Guard, may_issue_without};

use crate::scope::Scope;
use crate::state::{Body, Envelope, NOW, Pending, Place, Record, State, position};

fn age(time: &mut u8) {
    *time = time.saturating_sub(1);
}

impl<const AGENTS: usize> State<AGENTS> {
    /// A second passes: everything else moves into the past.
    pub(crate) fn tick(&mut self) {
        let envelope = |envelope: &mut Envelope| envelope.asked.iter_mut().for_each(age);
        let record = |record: &mut Record| record.contact.iter_mut().for_each(age);
        if let Some((_, not_after)) = &mut self.store.line.draining {
            age(not_after);
        }
        for authority in &mut self.authorities {
            age(&mut authority.view.confirmed);
            if let Some((_, not_after)) = &mut authority.view.line.draining {
                age(not_after);
            }
            authority.listed.iter_mut().flatten().for_each(record);
            match &mut authority.pending {
                Some(Pending::Step(step)) => {
                    age(&mut step.at);
                    step.left.iter_mut().flatten().for_each(age);
                    if let Some((_, not_after)) = &mut step.line.draining {
                        age(not_after);
                    }
                }
                Some(Pending::Contact(contact)) => {
                    record(&mut contact.read);
                    record(&mut contact.write);
                    contact.answer.iter_mut().for_each(envelope);
                }
                Some(Pending::Doomed) | None => {}
            }
        }
        for agent in &mut self.agents {
            agent.renewed.iter_mut().for_each(age);
            agent.mail.iter_mut().flatten().for_each(envelope);
            for it in [&mut agent.record, &mut agent.before] {
                record(it);
            }
            if let Some((_, until)) = &mut agent.left {
                age(until);
            }
        }
        self.history.leases.iter_mut().for_each(age);
    }

    /// Issues what may be issued, and forgets what is over.
    pub(crate) fn settle(&mut self, scope: &Scope) {
        self.issue(scope);
        self.forget_leases(scope);
        self.forget_decisions(scope);
        self.forget_agents(scope);
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
        let passes_until = |end: u8| end + scope.leeway();
        for number in 0..self.history.leases.len() {
            let end = &mut self.history.leases[number];
            if passes_until(*end) <= NOW || self.history.burnt.0 & 1 << number != 0 {
                *end = 0;
            }
        }
        // From here on, everyone may retire it, and no lease that passes ends before.
        let floor = NOW - scope.leeway();
        if let Some((_, not_after)) = &mut self.store.line.draining {
            *not_after = floor.max(*not_after);
        }
    }

    fn forget_decisions(&mut self, scope: &Scope) {
        let greatest_age = u8::try_from(scope.timing.confirmed).unwrap() + 1;
        for index in 0..self.authorities.len() {
            let doomed = self.authorities[index]
                .pending
                .as_ref()
                .is_some_and(|pending| self.is_doomed(scope, index, pending));
            let may_come_back = scope.restore && !scope.has(Guard::RestsOnSession);
            let authority = &mut self.authorities[index];
            if doomed && !may_come_back {
                authority.pending = scope.lease.map(|_| Pending::Doomed);
            }
            let clock = authority.clock();
            let view = &mut authority.view;
            view.confirmed = if scope.lease.is_some() {
                view.confirmed.max(clock - greatest_age)
            } else {
                0
            };
            if let Some((_, not_after)) = &mut view.line.draining {
                let is_current = (view.incarnation, view.revision)
                    == (self.store.incarnation, self.store.revision);
                let matters = is_current || !scope.has(Guard::StepRestsOnLine);
                *not_after = if matters {
                    (NOW - scope.leeway()).max(*not_after)
                } else {
                    0
                };
            }
            if let Some(Pending::Step(step)) = &mut authority.pending {
                if scope.lease.is_none() {
                    step.at = 0;
                }
                if let Some((_, not_after)) = &mut step.line.draining {
                    *not_after = (NOW - scope.leeway()).max(*not_after);
                }
            }
        }
    }

    fn forget_agents(&mut self, scope: &Scope) {
        let over = |asked: Option<u8>| asked.filter(|asked| asked + scope.budget >= NOW);
        let gone = |record: &mut Record| {
            let life = scope.budget + scope.granularity + scope.leeway();
            record.contact = record.contact.filter(|contact| contact + life >= NOW);
            if record.contact.is_none() {
                record.answered = (0, 0);
            }
        };
        for authority in &mut self.authorities {
            authority.listed.iter_mut().flatten().for_each(gone);
            if let Some(Pending::Contact(contact)) = &mut authority.pending {
                gone(&mut contact.read);
                gone(&mut contact.write);
                if let Some(answer) = &mut contact.answer {
                    answer.asked = over(answer.asked);
                }
            }
        }
        let old_views = self
            .authorities
            .iter()
            .any(|it| it.view.incarnation < self.store.incarnation);
        let fastest = NOW
            + self
                .authorities
                .iter()
                .map(|it| it.offset)
                .max()
                .unwrap_or(0);
        for agent in &mut self.agents {
            agent.renewed = over(agent.renewed);
            for slot in &mut agent.mail {
                *slot = slot.and_then(|answer| {
                    Self::what_matters(scope, answer, agent.mark, agent.renewed)
                });
            }
            for record in [&mut agent.record, &mut agent.before] {
                gone(record);
            }
            if !old_views {
                agent.before = Record::default();
            }
            let held = agent.held.map(|(_, live)| live).unwrap_or_default();
            agent.left = agent
                .left
                .filter(|(number, until)| *until >= fastest && !held.has(*number));
        }
    }

    /// Keys below the mark are not taken, and what renews nothing is not heard.
    fn what_matters(
        scope: &Scope,
        mut answer: Envelope,
        mark: Place,
        renewed: Option<u8>,
    ) -> Option<Envelope> {
        if scope.has(Guard::BudgetFromAsking) {
            answer.asked = answer.asked.filter(|asked| asked + scope.budget >= NOW);
        }
        let place = answer.body.answered();
        if position(mark).accepts_without(position(place), scope.removed)
            && matches!(answer.body, Body::Keys(..))
        {
            return Some(answer);
        }
        answer.body = Body::Heartbeat(place);
        (answer.asked > renewed || !scope.has(Guard::BudgetFromAsking)).then_some(answer)
    }

    /// Authorities are alike, and agents are: their order is nobody's.
    fn sort(&mut self) {
        for agent in &mut self.agents {
            agent.mail.sort_unstable_by(|one, other| other.cmp(one));
        }
        if AGENTS == 2 && self.agents[0] > self.agents[1] {
            self.agents.swap(0, 1);
            for authority in &mut self.authorities {
                authority
                    .listed
                    .iter_mut()
                    .for_each(|listed| listed.swap(0, 1));
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
