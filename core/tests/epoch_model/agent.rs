//! What an agent does: asks, hears answers in any order, restarts.

use cattery_core::epoch::Guard;

use crate::scope::Scope;
use crate::state::{Agent, Body, Envelope, NOW, Numbers, Pending, Place, State, position};

impl Agent {
    /// What it accepts tokens of; None: it answers 503.
    pub(crate) fn answers_from(&self) -> Option<(Place, Numbers)> {
        self.renewed.and(self.held)
    }

    fn hear(&mut self, scope: &Scope, answer: Envelope) {
        let answered = answer.body.answered();
        if let Body::Keys(place, live, retired) = answer.body
            && position(self.mark).accepts_without(position(place), scope.removed)
        {
            self.held = Some((place, live));
            self.mark = place;
            self.retired = self.retired.and(retired);
            if scope.has(Guard::MarkBeforeAcknowledging) {
                self.mark_on_disk = place;
            }
        }
        if let Some((held, _)) = self.held
            && position(held).is_renewed_by_without(position(answered), scope.removed)
        {
            let asked = if scope.has(Guard::BudgetFromAsking) {
                answer.asked
            } else {
                Some(NOW)
            };
            self.renewed = self.renewed.max(asked);
        }
    }
}

impl<const AGENTS: usize> State<AGENTS> {
    /// An agent has one question more open than it hears answers to, at most.
    pub(crate) fn has_room(&self, asker: usize) -> Option<()> {
        let taken_up = self.authorities.iter().filter(|authority| {
            matches!(&authority.pending, Some(Pending::Contact(contact)) if contact.agent == asker && contact.answer.is_some())
        });
        let free = self.agents[asker].mail.iter().filter(|slot| slot.is_none());
        (free.count() > taken_up.count()).then_some(())
    }

    pub(crate) fn send(&mut self, agent: usize, answer: Envelope) {
        let slot = self.agents[agent]
            .mail
            .iter_mut()
            .find(|slot| slot.is_none());
        *slot.expect("as many slots as questions") = Some(answer);
    }

    pub(crate) fn hear(&mut self, scope: &Scope, hearer: usize, slot: usize) -> Option<()> {
        let agent = &mut self.agents[hearer];
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
