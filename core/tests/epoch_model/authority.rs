//! What an authority does: looks at the store, decides a step, answers an agent.

use cattery_core::epoch::{
    Action, AgentView, Command, Contact, Facts, Guard, Step, contact_to_store_without,
    live_until_without,
};

use crate::numbers::Numbers;
use crate::scope::Scope;
use crate::state::{
    Agent, Answer, Authority, ContactPending, NOW, Pending, Record, State, StepPending, View,
};
use crate::stored::{Stored, small};

const NAMES: [&str; 2] = ["0", "1"];

impl<const AGENTS: usize> State<AGENTS> {
    /// The store confirms what it holds.
    pub(crate) fn look(&mut self, authority: usize) {
        let authority = &mut self.authorities[authority];
        authority.view = View {
            place: self.store.place,
            line: self.store.line,
            confirmed: authority.clock(),
            records: self.agents.map(|agent| agent.record),
        };
    }

    /// A restarted one knows nothing of what it had decided, and begins with a look.
    pub(crate) fn crash(&mut self, index: usize) {
        let authority = &mut self.authorities[index];
        authority.pending = None;
        authority.listed = None;
        self.look(index);
    }

    /// Lists agents, where that is not done after the line was read.
    pub(crate) fn list(&mut self, authority: usize) {
        self.authorities[authority].listed = Some(self.agents.map(|agent| agent.record));
    }

    /// Decides a step on its view and the agents' records; None where the rules refuse it.
    pub(crate) fn decide(&mut self, scope: &Scope, index: usize, command: Command) -> Option<()> {
        let authority = &self.authorities[index];
        let records = if scope.has(Guard::AgentsAfterLine) {
            self.agents.map(|agent| agent.record)
        } else {
            authority.listed?
        };
        let step = step(scope, authority, &records, command)?;
        let mut pending = StepPending {
            command,
            at: authority.clock(),
            on: authority.view.place,
            line: Stored::from(&step.line),
            made: Numbers::default(),
            destroyed: Numbers::default(),
            left: std::array::from_fn(|agent| {
                let left = step.left_behind.iter().find(|it| it.id == NAMES[agent]);
                left.map(|left| small(left.until))
            }),
        };
        for action in &step.actions {
            let (numbers, number) = match action {
                Action::MakeKey(number) => (&mut pending.made, number),
                Action::DestroyKey(number) => (&mut pending.destroyed, number),
            };
            *numbers = numbers.and(Numbers::of([*number]));
        }
        let authority = &mut self.authorities[index];
        authority.pending = Some(Pending::Step(pending));
        authority.listed = None;
        Some(())
    }

    /// An agent asks, and the authority answers at once, or after the contact is stored. Questions that are on their way for a
    /// while are left out: the agent's budget would only end sooner, and its acknowledgement say less.
    pub(crate) fn answer(
        &mut self,
        scope: &Scope,
        index: usize,
        asker: usize,
        keys: bool,
        read: Record,
    ) -> Option<()> {
        let (authority, agent) = (&self.authorities[index], &self.agents[asker]);
        if !self.has_room(scope, asker) || !keys && agent.held.is_none() {
            return None;
        }
        let View { place, line, .. } = authority.view;
        let write = heard(scope, authority, agent, read)?;
        let mut answer = Some(Answer {
            asked: Some(NOW),
            place,
            keys: keys.then(|| (line.live(), line.retired())),
        });
        if write == read || !scope.has(Guard::ContactBeforeAnswer) {
            self.send(asker, answer.take()?);
        }
        if write != read {
            let pending = &mut self.authorities[index].pending;
            if pending.is_some() {
                return None;
            }
            *pending = Some(Pending::Contact(ContactPending {
                agent: asker,
                on: place,
                read,
                write,
                answer,
            }));
        }
        Some(())
    }

    /// What the authority knows about an agent when it answers: what the store says, or what it remembers. One that knows
    /// nothing of a restore knows the old store.
    pub(crate) fn known(&self, authority: usize, agent: usize, cached: bool) -> Record {
        let view = &self.authorities[authority].view;
        if view.place.0 < self.store.place.0 {
            self.agents[agent].before
        } else if cached {
            view.records[agent]
        } else {
            self.agents[agent].record
        }
    }
}

/// What an agent's record becomes when it asks this authority; None: the authority may not answer.
fn heard<const AGENTS: usize>(
    scope: &Scope,
    authority: &Authority<AGENTS>,
    agent: &Agent,
    read: Record,
) -> Option<Record> {
    let place = authority.view.place;
    let stored = read.contact.map(|at| Contact {
        at: at.into(),
        position: read.answered.into(),
    });
    let contact = contact_to_store_without(
        stored,
        authority.clock().into(),
        place.into(),
        scope.granularity.into(),
        scope.removed,
    );
    let mut write = read;
    if let Some(contact) = contact.ok()? {
        write.contact = Some(small(contact.at));
        write.answered = place;
    }
    if let Some((held, _)) = agent.held {
        let held = cattery_core::epoch::Position::from(held);
        let sequence = held.sequence_in_without(place.0.into(), scope.removed);
        write.acknowledged = write.acknowledged.max(small(sequence));
    }
    Some(write)
}

/// What the rules say to a command.
pub(crate) fn step<const AGENTS: usize>(
    scope: &Scope,
    authority: &Authority<AGENTS>,
    records: &[Record; AGENTS],
    command: Command,
) -> Option<Step> {
    let now = u64::from(authority.clock());
    let agents: [AgentView<'_>; AGENTS] = std::array::from_fn(|agent| AgentView {
        id: NAMES[agent],
        live_until: live_until(scope, records[agent]),
        acknowledged: records[agent].acknowledged.into(),
    });
    let View { place, line, .. } = authority.view;
    let facts = Facts {
        now,
        position: u64::from(place.1) + 1,
        leases_end: scope.lease.map_or(0, |lease| now + u64::from(lease)),
        agents: &agents,
    };
    let step = line
        .line()
        .step_without(command, &facts, &scope.timing, scope.removed);
    step.ok()
}

fn live_until(scope: &Scope, record: Record) -> u64 {
    let (budget, granularity) = (scope.budget.into(), scope.granularity.into());
    record.contact.map_or(0, |at| {
        live_until_without(at.into(), budget, granularity, &scope.timing, scope.removed)
    })
}
