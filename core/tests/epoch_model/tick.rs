//! Time passes: what a state holds moves into the past.

use crate::state::{Agent, Answer, Authority, Pending, Record, State};

fn age(time: &mut u8) {
    *time = time.saturating_sub(1);
}

impl<const AGENTS: usize> State<AGENTS> {
    /// A second passes.
    pub(crate) fn tick(&mut self) {
        self.store.line.not_after().into_iter().for_each(age);
        self.authorities.iter_mut().for_each(Authority::tick);
        self.agents.iter_mut().for_each(Agent::tick);
        self.history.leases.iter_mut().for_each(age);
    }
}

impl<const AGENTS: usize> Authority<AGENTS> {
    fn tick(&mut self) {
        age(&mut self.view.confirmed);
        self.view.line.not_after().into_iter().for_each(age);
        self.view.records.iter_mut().for_each(Record::tick);
        self.listed.iter_mut().flatten().for_each(Record::tick);
        match &mut self.pending {
            Some(Pending::Step(step)) => {
                age(&mut step.at);
                step.line.not_after().into_iter().for_each(age);
                step.left.iter_mut().flatten().for_each(age);
            }
            Some(Pending::Contact(contact)) => {
                contact.read.tick();
                contact.write.tick();
                contact.answer.iter_mut().for_each(Answer::tick);
            }
            Some(Pending::Doomed) | None => {}
        }
    }
}

impl Agent {
    fn tick(&mut self) {
        self.renewed.iter_mut().for_each(age);
        self.mail.iter_mut().flatten().for_each(Answer::tick);
        self.record.tick();
        self.before.tick();
        self.left.iter_mut().for_each(|(_, until)| age(until));
    }
}

impl Record {
    fn tick(&mut self) {
        self.contact.iter_mut().for_each(age);
    }
}

impl Answer {
    fn tick(&mut self) {
        self.asked.iter_mut().for_each(age);
    }
}
