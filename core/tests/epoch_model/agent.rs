//! What an agent does: hears answers in any order, restarts.

use cattery_core::epoch::{Guard, Position};

use crate::numbers::Numbers;
use crate::scope::Scope;
use crate::state::{Agent, Answer, NOW, Pending, State};
use crate::stored::Place;

impl Agent {
    /// What it accepts tokens of, and as of when; None: it answers 503.
    pub(crate) fn accepts(&self) -> Option<(Place, Numbers)> {
        self.renewed.and(self.held)
    }

    /// Whether it would take the keys of an answer.
    pub(crate) fn takes(&self, scope: &Scope, place: Place) -> bool {
        Position::from(self.mark).accepts_without(place.into(), scope.removed)
    }

    fn hear(&mut self, scope: &Scope, answer: Answer) {
        if let Some((live, retired)) = answer.keys
            && self.takes(scope, answer.place)
        {
            self.held = Some((answer.place, live));
            self.retired = self.retired.and(retired);
            self.mark = answer.place;
            if scope.has(Guard::MarkBeforeAcknowledging) {
                self.mark_on_disk = self.mark;
            }
        }
        if let Some((held, _)) = self.held
            && Position::from(held).is_renewed_by_without(answer.place.into(), scope.removed)
        {
            let from_asking = scope.has(Guard::BudgetFromAsking);
            let from = if from_asking { answer.asked } else { Some(NOW) };
            self.renewed = self.renewed.max(from);
        }
    }
}

impl<const AGENTS: usize> State<AGENTS> {
    /// An agent has a few questions open, at most.
    pub(crate) fn has_room(&self, scope: &Scope, asker: usize) -> bool {
        let taken_up = |pending: &Pending<AGENTS>| match pending {
            Pending::Contact(contact) => contact.agent == asker && contact.answer.is_some(),
            Pending::Step(_) | Pending::Doomed => false,
        };
        let pending = self.authorities.iter().flat_map(|it| &it.pending);
        let open = pending.filter(|pending| taken_up(pending)).count();
        open + self.agents[asker].mail.iter().flatten().count() < scope.answers
    }

    pub(crate) fn send(&mut self, agent: usize, answer: Answer) {
        let mut slots = self.agents[agent].mail.iter_mut();
        let free = slots.find(|slot| slot.is_none());
        *free.expect("as many slots as questions") = Some(answer);
    }

    pub(crate) fn hear(&mut self, scope: &Scope, agent: usize, slot: usize) -> Option<()> {
        let agent = &mut self.agents[agent];
        let answer = agent.mail[slot].take()?;
        agent.hear(scope, answer);
        Some(())
    }

    /// It keeps its mark, and nothing else; answers to its former life find nobody.
    pub(crate) fn restart(&mut self, index: usize) {
        let agent = &mut self.agents[index];
        agent.held = None;
        agent.renewed = None;
        agent.mark = agent.mark_on_disk;
        agent.mail = [None; 2];
        for authority in &mut self.authorities {
            if let Some(Pending::Contact(contact)) = &mut authority.pending
                && contact.agent == index
            {
                contact.answer = None;
            }
        }
    }

    pub(crate) fn save_mark(&mut self, index: usize) {
        self.agents[index].mark_on_disk = self.agents[index].mark;
    }
}
